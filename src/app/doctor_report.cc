#include "app/doctor_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kTextColumns = 100;
constexpr size_t kIndent = 22;

Json measured(double value) { return value > 0 ? Json(value) : Json(nullptr); }

/// Wraps words at kTextColumns, every line but the first behind kIndent blanks.
std::string wrapped(const std::string& text) {
  std::string result;
  size_t column = kIndent;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (column + 1 + end - begin > kTextColumns && column > kIndent) {
      result += '\n' + std::string(kIndent, ' ');
      column = kIndent;
    } else if (column > kIndent) {
      result += ' ';
      ++column;
    }
    result += text.substr(begin, end - begin);
    column += end - begin;
    begin = end + 1;
  }
  return result;
}

std::string table(const DoctorReport& report) {
  if (report.predictions.empty()) return "";
  std::string text = fmt::format(
      "\nPrediction, everything in memory, {} thread{}, from slices of real size\n"
      "{:<26}{:>10}{:>30}{:>20}\n{:<26}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
      report.threads, report.threads == 1 ? "" : "s", "", "memory", "prefill, tokens/s of",
      "decode, tokens/s at", "", "GB", "512", "2048", "16384", "0", "16384");
  for (const Prediction& p : report.predictions) {
    const SpeedCurve& c = p.curve;
    text +=
        fmt::format("{:<26}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.2f}{:>10.2f}  {}\n", p.name,
                    static_cast<double>(p.ledger.anonymous_bytes(Residency::kResident)) / 1e9,
                    c.prefill_tokens_per_s(512), c.prefill_tokens_per_s(2048),
                    c.prefill_tokens_per_s(kDeepTokens), c.decode_tokens_per_s(0),
                    c.decode_tokens_per_s(kDeepTokens), fit_name(p.fit));
  }
  text += '\n';
  for (const Prediction& p : report.predictions) {
    text += fmt::format("{}\n{:{}}{}\n{:{}}{}\n", p.name, "", kIndent, wrapped(p.what), "", kIndent,
                        wrapped("limited by " + p.limit));
  }
  return text;
}

Json prediction_json(const Prediction& p) {
  const SpeedCurve& c = p.curve;
  Json json = {{"name", p.name}, {"what", p.what}, {"fit", std::string(fit_name(p.fit))}};
  json["weight_bytes"] = p.ledger.weight_bytes;
  json["needed_bytes"] = p.ledger.anonymous_bytes(Residency::kResident);
  json["unmapped_bytes"] = p.ledger.anonymous_bytes(Residency::kMapped);
  json["missing_bytes"] = p.missing_bytes;
  json["context_tokens"] = p.ledger.needs.context_tokens;
  for (const int64_t prompt : {512, 2048, 16384}) {
    json[fmt::format("prefill_{}_tokens_per_s", prompt)] = c.prefill_tokens_per_s(prompt);
  }
  for (const int64_t depth : {0, 4096, 16384, 65536}) {
    json[fmt::format("decode_at_{}_tokens_per_s", depth)] = c.decode_tokens_per_s(depth);
  }
  json["decode_bytes_per_token"] = p.decode_bytes_per_token;
  json["decode_bandwidth_share"] = measured(p.decode_bandwidth_share);
  json["prefill_int8_peak_share"] = measured(p.prefill_int8_share);
  json["disk_decode_most_tokens_per_s"] = measured(p.disk_decode_tokens_per_s);
  json["disk_prefill_most_tokens_per_s"] = measured(p.disk_prefill_tokens_per_s);
  json["limit"] = p.limit;
  std::string help;
  for (const std::string& sentence : p.help) help += (help.empty() ? "" : " ") + sentence;
  json["help"] = help;
  return json;
}

void add_machine(const DoctorReport& report, Json& json) {
  const MachineInfo& m = report.machine;
  const TopologySummary& t = report.topology;
  std::string sets;
  for (const std::string& set : report.kernel_sets) sets += (sets.empty() ? "" : ",") + set;
  json["cpu"] = report.cpu;
  json["isa"] = report.kernel_set;
  json["isas"] = sets;
  json["threads"] = report.threads;
  json["processors"] = t.processors;
  json["cores"] = t.cores;
  json["usable_cores"] = t.usable_cores;
  json["packages"] = t.packages;
  json["memory_nodes"] = t.memory_nodes;
  json["core_kinds"] = t.core_kinds;
  json["last_level_cache_bytes"] = t.last_cache_bytes;
  json["hypervisor"] = m.hypervisor;
  json["governor"] = m.governor;
  json["memory_bytes"] = m.total_bytes;
  json["available_memory_bytes"] = report.available_bytes;
  json["swap_bytes"] = m.swap_bytes;
  json["transparent_huge_pages"] = m.transparent_huge_pages;
  json["reserved_huge_pages"] = m.reserved_huge_pages;
  json["overcommit_mode"] = m.overcommit_mode;
  json["group_memory_bytes"] = m.group_memory_bytes ? Json(*m.group_memory_bytes) : Json(nullptr);
  json["group_processors"] = m.group_processors ? Json(*m.group_processors) : Json(nullptr);
  json["locked_memory_bytes"] = m.locked_bytes ? Json(*m.locked_bytes) : Json(nullptr);
  json["open_files"] = m.open_files;
  json["gpus"] = m.gpus;
}

void add_storage(const DoctorReport& report, Json& json) {
  const StorageSpeed& s = report.storage;
  json["storage_folder"] = report.storage_folder;
  json["storage_file_system"] = s.file_system.type;
  json["storage_device"] = s.file_system.device;
  json["storage_free_bytes"] = s.file_system.free_bytes;
  json["storage_problem"] = s.problem;
  json["storage_write_bytes_per_s"] = measured(s.write_bytes_per_s);
  json["storage_sequential_read_bytes_per_s"] = measured(s.sequential_bytes_per_s);
  json["storage_random_4k_reads_per_s"] = measured(s.random_small_per_s);
  json["storage_random_512k_bytes_per_s"] = measured(s.random_large_bytes_per_s);
}

}  // namespace

std::string_view fit_name(Fit fit) {
  switch (fit) {
    case Fit::kFits: return "fits";
    case Fit::kWithMore: return "fits when others free memory";
    case Fit::kFromDisk: return "from disk";
    case Fit::kNot: return "does not fit";
  }
  return "";
}

std::string doctor_text(const DoctorReport& report, const std::vector<CheckLine>& checks) {
  std::string text;
  for (const CheckLine& check : checks) {
    text += fmt::format("{:<6}", status_name(check.status));
    // Names of models are longer than the column.
    const bool wide = check.topic.size() > kIndent - 7;
    text += wide ? fmt::format("{}\n{:{}}", check.topic, "", kIndent)
                 : fmt::format("{:<{}}", check.topic, kIndent - 6);
    text += wrapped(check.text) + '\n';
    if (!check.fix.empty())
      text += fmt::format("{:{}}{}\n", "", kIndent, wrapped("→ " + check.fix));
  }
  return text + table(report);
}

Json doctor_json(const DoctorReport& report, const std::vector<CheckLine>& checks) {
  Json json;
  add_machine(report, json);
  json["bandwidth"] = Json::array();
  for (const BandwidthPoint& point : report.bandwidth) {
    json["bandwidth"].push_back({{"threads", point.threads},
                                 {"sequential_read_bytes_per_s", point.sequential_bytes_per_s},
                                 {"random_read_bytes_per_s", point.random_bytes_per_s}});
  }
  json["int8_peak_macs_per_s"] = measured(report.int8_macs_per_s);
  json["bf16_peak_macs_per_s"] = measured(report.bf16_macs_per_s);
  json["processor_share"] = report.processor_share;
  add_storage(report, json);
  json["checks"] = Json::array();
  for (const CheckLine& check : checks) {
    json["checks"].push_back({{"status", std::string(status_name(check.status))},
                              {"topic", check.topic},
                              {"text", check.text},
                              {"fix", check.fix}});
  }
  json["predictions"] = Json::array();
  for (const Prediction& p : report.predictions) json["predictions"].push_back(prediction_json(p));
  json["prediction_problem"] = report.prediction_problem;
  json["seconds"] = report.seconds;
  return json;
}

}  // namespace hearth
