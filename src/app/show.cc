// hearth show: what a model folder is, how it is stored, and what running it takes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/commands.h"
#include "app/hub_environment.h"
#include "app/load_report.h"
#include "app/numbers.h"
#include "app/show_report.h"
#include "backend/cpu/cpu_backend.h"
#include "hub/resolve_model.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

struct ShowOptions {
  std::string folder;
  bool json = false;
};

constexpr int64_t kContextTokens = 4096;  // of the run whose memory is shown

void print_geometry(const ShowReport& report) {
  const ModelConfig& c = report.config;
  fmt::print("{}\n", report.folder.string());
  fmt::print(
      "  {}: {} layers ({} gated DeltaNet, {} gated attention), hidden size {}, {} token "
      "ids\n",
      c.model_type, c.layer_count(), c.count(MixerKind::kGatedDelta),
      c.count(MixerKind::kGatedAttention), c.hidden_size, c.vocab_size);
  fmt::print(
      "  attention: {} query heads and {} key/value heads of {}, RoPE on {} dimensions, "
      "theta {:.0f}{}\n",
      c.query_heads, c.kv_heads, c.head_dim, c.rotary_dim, c.rope_theta,
      c.yarn ? fmt::format(", YaRN factor {}", c.yarn->factor) : "");
  fmt::print("  DeltaNet: {} key heads of {}, {} value heads of {}, convolution over {} tokens\n",
             c.delta_key_heads, c.delta_key_dim, c.delta_value_heads, c.delta_value_dim,
             c.conv_kernel);
  fmt::print("  experts: {} of width {}, {} a token; shared expert of width {}\n", c.expert_count,
             c.expert_dim, c.experts_per_token, c.shared_expert_dim);
  fmt::print("  up to {} tokens; MTP layer: {}\n", c.max_positions, report.has_mtp ? "yes" : "no");
  if (report.generation.do_sample) {
    const GenerationDefaults& g = report.generation;
    fmt::print(
        "  recommended sampling: temperature {}, top-k {}, top-p {}, min-p {}, typical-p {}, "
        "repetition penalty {}\n",
        g.temperature, g.top_k, g.top_p, g.min_p, g.typical_p, g.repetition_penalty);
  }
  fmt::print("  quantization_config: {}\n",
             report.quantization.method.empty()
                 ? "none"
                 : fmt::format("{}, {}", report.quantization.method,
                               report.quantization.checkpoint_format));
}

void print_rows(const ShowReport& report, bool mtp) {
  for (const ComponentUse& use : report.components) {
    if (use.mtp != mtp) continue;
    fmt::print("{:<20}{:>9}{:>9}{:>17}{:>16}\n",
               fmt::format("{}{}", mtp ? "MTP " : "", component_name(use.component)),
               grouped(use.tensors), grouped(use.modules), grouped(use.stored_bytes),
               grouped(use.token_bytes));
    for (const FormatUse& format : use.formats) {
      fmt::print("  {:<36}{:>17}  {} {}\n", format.text(), grouped(format.stored_bytes),
                 grouped(format.modules), format.name == "tensor" ? "tensors" : "modules");
    }
  }
}

void print_table(const ShowReport& report) {
  fmt::print("\n{:<20}{:>9}{:>9}{:>17}{:>16}\n", "component", "tensors", "modules", "bytes",
             "a token reads");
  print_rows(report, false);
  fmt::print("{:<38}{:>17}{:>16}\n", "total", grouped(report.stored_bytes(false)),
             grouped(report.token_bytes(false)));
  if (report.has_mtp) {
    fmt::print("\n{:<20}{:>9}{:>9}{:>17}{:>16}\n", "", "tensors", "modules", "bytes",
               "a draft reads");
    print_rows(report, true);
    fmt::print("{:<38}{:>17}{:>16}\n", "MTP total, without a head",
               grouped(report.stored_bytes(true)), grouped(report.token_bytes(true)));
  }
  if (report.unused_tensors > 0) {
    fmt::print("\n{} tensors of {} bytes are not part of this model and stay unread.\n",
               grouped(report.unused_tensors), grouped(report.unused_bytes));
  }
}

void print_memory(const MemoryLedger& ledger) {
  fmt::print("\nmemory of a run with {} tokens of context\n{}", ledger.needs.context_tokens,
             ledger_text(ledger));
  fmt::print("  {:<36}{:>10.1f} MB\n", "needed with --residency resident",
             static_cast<double>(ledger.anonymous_bytes(Residency::kResident)) / 1e6);
}

/// The ledger of a run without any flags.
MemoryLedger usual_ledger(const std::string& folder) {
  CpuBackend backend({});
  const ModelFiles files(folder, backend);
  return make_ledger(files, {}, Residency::kMapped, {.context_tokens = kContextTokens},
                     backend.threads(), available_memory_bytes());
}

Json geometry_json(const ModelConfig& c) {
  Json json = {{"model_type", c.model_type},
               {"layers", c.layer_count()},
               {"delta_layers", c.count(MixerKind::kGatedDelta)},
               {"attention_layers", c.count(MixerKind::kGatedAttention)},
               {"hidden_size", c.hidden_size},
               {"vocab_size", c.vocab_size},
               {"max_positions", c.max_positions},
               {"query_heads", c.query_heads},
               {"kv_heads", c.kv_heads},
               {"head_dim", c.head_dim},
               {"rotary_dim", c.rotary_dim},
               {"rope_theta", c.rope_theta},
               {"yarn_factor", nullptr},
               {"delta_key_heads", c.delta_key_heads},
               {"delta_value_heads", c.delta_value_heads},
               {"delta_key_dim", c.delta_key_dim},
               {"delta_value_dim", c.delta_value_dim},
               {"conv_kernel", c.conv_kernel},
               {"experts", c.expert_count},
               {"experts_per_token", c.experts_per_token},
               {"expert_dim", c.expert_dim},
               {"shared_expert_dim", c.shared_expert_dim},
               {"eos_tokens", c.eos_tokens}};
  if (c.yarn) json["yarn_factor"] = c.yarn->factor;
  return json;
}

Json component_json(const ComponentUse& use) {
  Json formats = Json::array();
  for (const FormatUse& format : use.formats) {
    formats.push_back({{"name", format.name},
                       {"bits", format.bits},
                       {"group_size", format.group_size},
                       {"symmetric", format.symmetric},
                       {"modules", format.modules},
                       {"stored_bytes", format.stored_bytes}});
  }
  return {{"component", std::string(component_name(use.component))},
          {"mtp", use.mtp},
          {"tensors", use.tensors},
          {"modules", use.modules},
          {"stored_bytes", use.stored_bytes},
          {"token_bytes", use.token_bytes},
          {"formats", std::move(formats)}};
}

Json report_json(const ShowReport& report, const MemoryLedger& ledger) {
  Json components = Json::array();
  for (const ComponentUse& use : report.components) components.push_back(component_json(use));
  Json files = Json::array();
  for (const CheckpointShard& shard : report.shards) {
    files.push_back({{"name", shard.path.filename().string()},
                     {"tensors", shard.tensor_count},
                     {"tensor_bytes", shard.tensor_bytes},
                     {"file_bytes", shard.file_bytes}});
  }
  const GenerationDefaults& g = report.generation;
  return {
      {"folder", report.folder.string()},
      {"geometry", geometry_json(report.config)},
      {"quantization",
       {{"method", report.quantization.method}, {"format", report.quantization.checkpoint_format}}},
      {"generation",
       {{"do_sample", g.do_sample},
        {"temperature", g.temperature},
        {"top_k", g.top_k},
        {"top_p", g.top_p},
        {"min_p", g.min_p},
        {"typical_p", g.typical_p},
        {"repetition_penalty", g.repetition_penalty}}},
      {"mtp", report.has_mtp},
      {"files", std::move(files)},
      {"components", std::move(components)},
      {"unused", {{"tensors", report.unused_tensors}, {"bytes", report.unused_bytes}}},
      {"token_bytes", report.token_bytes(false)},
      {"draft_bytes", report.token_bytes(true)},
      {"memory",
       {{"mapped_bytes", report.stored_bytes(false) + report.stored_bytes(true)},
        {"state_bytes_per_sequence", report.state_bytes()},
        {"kv_bytes_per_token", report.kv_bytes_per_token()},
        {"available_bytes", report.available_bytes}}},
      {"ledger", ledger_json(ledger)}};
}

void run_show(const ShowOptions& options) {
  const std::string folder = resolve_model(options.folder, environment_hub_settings()).string();
  const ShowReport report = inspect_model(folder);
  const MemoryLedger ledger = usual_ledger(folder);
  if (options.json) {
    fmt::print("{}\n",
               report_json(report, ledger).dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  print_geometry(report);
  print_table(report);
  print_memory(ledger);
}

}  // namespace

void add_show_command(CLI::App& app) {
  const auto options = std::make_shared<ShowOptions>();
  CLI::App* command = app.add_subcommand(
      "show", "Show a model folder: geometry, formats, bytes, memory; checks every tensor");
  command
      ->add_option("folder", options->folder, "Model folder, Hub id (org/name[@revision]) or alias")
      ->type_name("DIR")
      ->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options] { run_show(*options); });
}

}  // namespace hearth
