#include "app/bench_report.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string_view>

#include "base/error.h"
#include "os/cpu_features.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

constexpr const char* kTimeShareKeys[kOperationKinds] = {
    "projection_time_share", "delta_time_share", "attention_time_share",
    "moe_time_share",        "head_time_share",  "other_time_share"};

std::string utc_now() {
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// The value, or null where it was not measured.
BenchRow measured(double value) { return value > 0 ? BenchRow(value) : BenchRow(nullptr); }

/// Tokens per second under the kind's keys; null under those of the other kind.
void add_rates(BenchRow& row, const char* kind, bool applies, const BenchResult& result) {
  const auto& rates = result.tokens_per_s;
  const auto [least, most] = std::minmax_element(rates.begin(), rates.end());
  const auto add = [&](const char* name, double value) {
    row[fmt::format("{}_{}tokens_per_s", kind, name)] = applies ? BenchRow(value) : nullptr;
  };
  add("", median(rates));
  add("min_", *least);
  add("max_", *most);
  add("iqr_", quartile_range(rates));
}

/// The median of what repetitions had of a limit; each of the mean of the limits measured right
/// before and after it, since a shared machine's limits change within seconds.
BenchRow median_share(const std::vector<double>& rates, double amount,
                      const std::vector<double>& limits) {
  std::vector<double> shares;
  for (size_t i = 0; i + 1 < limits.size() && i < rates.size(); ++i) {
    const double limit = (limits[i] + limits[i + 1]) / 2;
    if (limit > 0) shares.push_back(rates[i] * amount / limit);
  }
  return measured(shares.empty() ? 0 : median(shares));
}

void add_shares(BenchRow& row, const BenchTest& test, const BenchResult& result) {
  const double rate = median(result.tokens_per_s);
  const double bandwidth = median(result.random_read);
  const double peak = median(result.int8_peak);
  const bool decode = test.generated > 0;
  const double bytes_per_s = rate * result.read_bytes_per_token;
  const double macs_per_s = rate * result.linear_macs_per_token;
  row["decode_bytes_per_token"] = measured(result.read_bytes_per_token);
  row["decode_written_bytes_per_token"] = measured(result.written_bytes_per_token);
  row["decode_bandwidth_bytes_per_s"] = measured(bytes_per_s);
  row["decode_bandwidth_share"] =
      median_share(result.tokens_per_s, result.read_bytes_per_token, result.random_read);
  row["prefill_macs_per_token"] = measured(decode ? 0 : result.linear_macs_per_token);
  row["prefill_macs_per_s"] = measured(decode ? 0 : macs_per_s);
  row["prefill_int8_peak_share"] = median_share(
      result.tokens_per_s, decode ? 0 : result.linear_macs_per_token, result.int8_peak);
  row["read_bandwidth_bytes_per_s"] = measured(bandwidth);
  row["int8_peak_macs_per_s"] = measured(peak);
}

void add_machine(BenchRow& row, const MachineRecord& machine) {
  row["sequential_read_bandwidth_bytes_per_s"] = measured(machine.sequential_read);
  row["one_thread_sequential_read_bandwidth_bytes_per_s"] =
      measured(machine.sequential_read_one_thread);
  row["one_thread_read_bandwidth_bytes_per_s"] = measured(machine.random_read_one_thread);
  row["mapping_read_bandwidth_bytes_per_s"] = measured(machine.mapping_read);
  row["bf16_peak_macs_per_s"] = measured(machine.bf16_peak);
}

std::string csv_cell(const BenchRow& value) {
  if (value.is_null()) return "";
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  for (size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '"');
  }
  return '"' + text + '"';
}

double number(const BenchRow& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number() ? found->get<double>() : 0.0;
}

double rate_of(const BenchRow& row) {
  return std::max(number(row, "decode_tokens_per_s"), number(row, "prefill_tokens_per_s"));
}

double share_of(const BenchRow& row) {
  return std::max(number(row, "decode_bandwidth_share"), number(row, "prefill_int8_peak_share"));
}

std::string percent(double share) {
  return share > 0 ? fmt::format("{:.1f} %", 100 * share) : std::string("-");
}

bool same_benchmark(const BenchRow& a, const BenchRow& b) {
  return std::ranges::all_of(
      std::initializer_list<const char*>{"model", "test", "threads", "isa"},
      [&](const char* key) { return a.contains(key) && b.contains(key) && a[key] == b[key]; });
}

}  // namespace

BenchRow bench_row(const BenchContext& context, const ModelTraffic& traffic, const BenchTest& test,
                   const BenchResult& result) {
  BenchRow row = {{"test", test.name()},
                  {"kind", test.prompt > 0 ? "prefill" : "decode"},
                  {"model", context.model},
                  {"model_bytes", traffic.model_bytes},
                  {"cpu", cpu_model_name()},
                  {"isa", context.isa},
                  {"threads", context.threads},
                  {"prompt_tokens", test.prompt},
                  {"generated_tokens", test.generated},
                  {"depth_tokens", test.depth},
                  {"batch", test.batch},
                  {"chunk_tokens", context.chunk_tokens},
                  {"repetitions", result.tokens_per_s.size()}};
  row.update(context.options);
  add_rates(row, "decode", test.generated > 0, result);
  add_rates(row, "prefill", test.prompt > 0, result);
  add_shares(row, test, result);
  add_machine(row, context.machine);
  for (size_t i = 0; i < kOperationKinds; ++i) row[kTimeShareKeys[i]] = result.time_shares[i];
  row["load_s"] = context.load_seconds;
  row["first_token_s"] = context.first_token_seconds;
  row["peak_memory_bytes"] = result.peak_memory_bytes;
  row["anonymous_memory_bytes"] = result.anonymous_memory_bytes;
  row["logits_hash"] = fmt::format("{:016x}", result.logits_hash);
  row["version"] = HEARTH_VERSION;
  row["date"] = utc_now();
  return row;
}

void add_prediction(BenchRow& row, double tokens_per_s) {
  row["predicted_tokens_per_s"] = measured(tokens_per_s);
  row["measured_over_predicted"] = measured(tokens_per_s > 0 ? rate_of(row) / tokens_per_s : 0);
}

BenchFormat bench_format(const std::string& name) {
  if (name == "md") return BenchFormat::kMarkdown;
  if (name == "json") return BenchFormat::kJson;
  if (name == "csv") return BenchFormat::kCsv;
  if (name == "jsonl") return BenchFormat::kJsonLines;
  throw UsageError(fmt::format("output format '{}': expected md, json, csv or jsonl.", name));
}

void BenchPrinter::print_markdown(const BenchRow& row) {
  if (rows_ == 0) {
    fmt::print("{} ({:.2f} GB) on {}; random reads {:.1f} GB/s, int8 {:.0f} GMAC/s\n\n",
               row["model"].get<std::string>(), number(row, "model_bytes") / 1e9,
               row["cpu"].get<std::string>(), number(row, "read_bandwidth_bytes_per_s") / 1e9,
               number(row, "int8_peak_macs_per_s") / 1e9);
    fmt::print("| {:<18} | threads | {:<9} | {:>8} | {:<17} | {:>8} | {:>7} | {:>10} | {:<16} |",
               "test", "isa", "tokens/s", "min-max", "MB/token", "GB/s", "of limit", "logits");
    if (profile_) fmt::print(" proj | delta | attn | moe | head | other |");
    if (predict_) fmt::print(" predicted | off by |");
    fmt::print("\n|---|---|---|---|---|---|---|---|---|{}{}\n",
               profile_ ? "---|---|---|---|---|---|" : "", predict_ ? "---|---|" : "");
  }
  const std::string kind = row["kind"];
  const double bytes = number(row, "decode_bandwidth_bytes_per_s");
  fmt::print("| {:<18} | {:>7} | {:<9} | {:>8.2f} | {:<17} | {:>8} | {:>7} | {:>10} | {:<16} |",
             row["test"].get<std::string>(), row["threads"].get<int>(),
             row["isa"].get<std::string>(), rate_of(row),
             fmt::format("{:.1f}-{:.1f}", number(row, (kind + "_min_tokens_per_s").c_str()),
                         number(row, (kind + "_max_tokens_per_s").c_str())),
             bytes > 0 ? fmt::format("{:.1f}", number(row, "decode_bytes_per_token") / 1e6) : "",
             bytes > 0 ? fmt::format("{:.1f}", bytes / 1e9) : "", percent(share_of(row)),
             row["logits_hash"].get<std::string>());
  if (profile_) {
    for (const char* key : kTimeShareKeys) fmt::print(" {} |", percent(number(row, key)));
  }
  if (predict_) {
    const double ratio = number(row, "measured_over_predicted");
    fmt::print(" {:>9.2f} | {:>+5.1f} % |", number(row, "predicted_tokens_per_s"),
               ratio > 0 ? 100 * (1 / ratio - 1) : 0.0);
  }
  fmt::print("\n");
}

void BenchPrinter::print(const BenchRow& row) {
  switch (format_) {
    case BenchFormat::kMarkdown: print_markdown(row); break;
    case BenchFormat::kJson: fmt::print("{}{}", rows_ ? ",\n" : "[\n", row.dump(2)); break;
    case BenchFormat::kJsonLines: fmt::print("{}\n", row.dump()); break;
    case BenchFormat::kCsv: {
      std::string names;
      std::string values;
      for (const auto& [key, value] : row.items()) {
        names += (names.empty() ? "" : ",") + key;
        values += (values.empty() ? "" : ",") + csv_cell(value);
      }
      if (rows_ == 0) fmt::print("{}\n", names);
      fmt::print("{}\n", values);
      break;
    }
  }
  ++rows_;
  std::fflush(stdout);
}

void BenchPrinter::finish() {
  if (format_ == BenchFormat::kJson) fmt::print("{}]\n", rows_ ? "\n" : "[");
  if (format_ == BenchFormat::kMarkdown) {
    fmt::print(
        "\nof limit: decode, of the random-block read bandwidth; prefill, of the int8 peak; "
        "both measured between the repetitions.\n");
  }
}

std::vector<BenchRow> read_bench_rows(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw UsageError(fmt::format("cannot read {}.", path));
  std::vector<BenchRow> rows;
  try {
    if ((file >> std::ws).peek() == '[') {
      for (const BenchRow& row : BenchRow::parse(file)) rows.push_back(row);
    } else {
      for (std::string line; std::getline(file, line);) {
        if (!line.empty()) rows.push_back(BenchRow::parse(line));
      }
    }
  } catch (const nlohmann::json::exception& error) {
    throw UsageError(fmt::format("{} is no record of hearth bench: {}.", path, error.what()));
  }
  for (const BenchRow& row : rows) {
    if (!row.is_object()) throw UsageError(fmt::format("{} is no record of hearth bench.", path));
  }
  return rows;
}

std::string compare_rows(const std::vector<BenchRow>& now, const std::vector<BenchRow>& before) {
  std::string table =
      "| test | threads | isa | tokens/s | before | ratio | of limit | before |\n"
      "|---|---|---|---|---|---|---|---|\n";
  size_t matched = 0;
  for (const BenchRow& row : now) {
    const auto old = std::find_if(before.rbegin(), before.rend(), [&](const BenchRow& candidate) {
      return same_benchmark(row, candidate);
    });
    if (old == before.rend() || rate_of(*old) <= 0) continue;
    ++matched;
    table += fmt::format(
        "| {} | {} | {} | {:.2f} | {:.2f} | {:.3f} | {} | {} |\n", row["test"].get<std::string>(),
        row["threads"].get<int>(), row["isa"].get<std::string>(), rate_of(row), rate_of(*old),
        rate_of(row) / rate_of(*old), percent(share_of(row)), percent(share_of(*old)));
  }
  if (matched < now.size()) {
    table += fmt::format("{} of {} rows have no counterpart.\n", now.size() - matched, now.size());
  }
  return table;
}

}  // namespace hearth
