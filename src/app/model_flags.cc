#include "app/model_flags.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "app/globals.h"
#include "app/hub_environment.h"
#include "app/load_report.h"
#include "app/shipped_model.h"
#include "base/clock.h"
#include "base/error.h"
#include "console/style.h"
#include "hub/resolve_model.h"
#include "os/memory_info.h"

namespace hearth {

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  command.option_defaults()->group("Model");
  command
      .add_option("-m,--model", flags.folder, "Model folder, Hub id (org/name[@revision]) or alias")
      ->type_name("DIR")
      ->required();
  command.add_option("--delta", flags.delta_form, "Form of DeltaNet in prefill")
      ->check(CLI::IsMember({"recurrent", "chunked"}))
      ->capture_default_str();
  command.add_flag("--exact", flags.exact,
                   "Float activations and a float KV cache: slow, for comparisons");
  command.add_option("--kv", flags.kv, "KV cache: bf16, or 8 bits with a scale per token and head")
      ->check(CLI::IsMember({"bf16", "int8"}))
      ->capture_default_str();
  command
      .add_option("--head", flags.head, "Head: as the checkpoint has it (bf16), or in 8 bits (w8)")
      ->check(CLI::IsMember({"bf16", "w8"}))
      ->capture_default_str();
  command
      .add_option("--dense", flags.dense, "Dense projections: as in the checkpoint, or in 4 bits")
      ->check(CLI::IsMember({"checkpoint", "w4"}))
      ->capture_default_str();
  command
      .add_option("--residency", flags.residency,
                  "Weights in the page cache, or read into memory first; auto: resident when "
                  "they fit and are not cached")
      ->check(CLI::IsMember({"mapped", "resident", "auto"}))
      ->capture_default_str();
  command.add_flag("--lock", flags.lock, "Lock resident weights, so that they are never swapped");
  command.option_defaults()->group("Options");
}

void default_to_shipped_model(CLI::App& command, ModelFlags& flags) {
  flags.shipped_by_default = true;
  command.get_option("--model")->required(false)->description(
      "Model folder, Hub id (org/name[@revision]) or alias (default: the small one that comes "
      "with hearth)");
}

void add_run_flags(CLI::App& command, ModelFlags& flags) {
  command.option_defaults()->group("Run");
  command.add_option("-t,--threads", flags.threads, "Worker threads; 0: one per physical core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--isa", flags.kernel_set,
                     "Kernel set: reference, avx2, avxvnni, avx512, avx512bf16, neon (default: the "
                     "best that runs here)");
  command
      .add_option("--chunk", flags.chunk_tokens,
                  "Most prompt tokens of one forward pass; beside running answers 512 at most")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.option_defaults()->group("Options");
}

void settle_model_flags(ModelFlags& flags, const CLI::App& command) {
  flags.quiet = globals_of(command).quiet;
  if (!flags.folder.empty()) {
    flags.folder = resolve_model(flags.folder, environment_hub_settings());
  } else if (flags.shipped_by_default) {
    flags.folder = shipped_model().string();
  }
}

int64_t context_of(const ModelConfig& config, int64_t asked, int64_t usual) {
  const int64_t most = config.max_positions;
  if (asked > most) {
    throw UsageError(
        fmt::format("--context {} is more than the model's {} positions.", asked, most));
  }
  return asked > 0 ? asked : std::min(usual, most);
}

ModelOptions model_options(const ModelFlags& flags) {
  return {.exact = flags.exact,
          .delta_form = flags.delta_form == "chunked" ? DeltaForm::kChunked : DeltaForm::kRecurrent,
          .kv = flags.kv == "int8" ? KvType::kInt8 : KvType::kBf16,
          .head = flags.head == "w8" ? HeadBits::k8 : HeadBits::kCheckpoint,
          .dense = flags.dense == "w4" ? DenseBits::k4 : DenseBits::kCheckpoint};
}

namespace {

Residency chosen_residency(const ModelFlags& flags, const ModelFiles& files,
                           const MemoryLedger& ledger) {
  if (flags.residency == "resident") return Residency::kResident;
  if (flags.residency == "mapped") return Residency::kMapped;
  return choose_residency(ledger, cached_share(files.ranges()));
}

ReadReport read_weights(const ModelFlags& flags, ModelFiles& files, Backend& backend, bool quiet) {
  const ProgressBar bar(!quiet && is_terminal(STDERR_FILENO));
  const auto show = [&](uint64_t done, uint64_t total) { bar.show(done, total); };
  const ReadReport report =
      files.make_resident({.lock = flags.lock, .method = {}, .progress = show}, backend);
  if (!quiet) bar.finish(report);
  return report;
}

}  // namespace

LoadedModel load_model(const ModelFlags& flags, const PlanRun& plan, const LoadSettings& settings) {
  const Stopwatch clock;
  const bool quiet = settings.quiet || flags.quiet;
  if (flags.lock && flags.residency == "mapped") {
    throw UsageError("--lock needs --residency resident: mapped weights belong to the page cache.");
  }
  if (flags.exact && flags.kv == "int8") {
    throw UsageError("--exact has a float KV cache: leave out --kv int8.");
  }
  LoadedModel loaded;
  loaded.backend = std::make_unique<CpuBackend>(
      CpuOptions{.threads = flags.threads, .kernel_set = flags.kernel_set});
  if (settings.profile) loaded.profile = std::make_unique<ProfilingBackend>(*loaded.backend);
  Backend& backend = loaded.profile ? static_cast<Backend&>(*loaded.profile) : *loaded.backend;
  const ModelOptions options = model_options(flags);
  ModelFiles files(flags.folder, backend);
  loaded.ledger = make_ledger(files, options, Residency::kMapped, plan(files.config()),
                              loaded.backend->threads(), available_memory_bytes());
  loaded.ledger.residency = chosen_residency(flags, files, loaded.ledger);
  if (!quiet) fmt::print(stderr, "{}", ledger_text(loaded.ledger));
  require_fit(loaded.ledger, options);
  if (loaded.ledger.residency == Residency::kResident) {
    loaded.read = read_weights(flags, files, backend, quiet);
  }
  loaded.model = std::make_unique<Model>(std::move(files), backend, options);
  loaded.load_seconds = clock.seconds();
  return loaded;
}

void LoadedModel::after_first_token() {
  if (model->mapped_ranges().empty() || !ledger.fits_whole()) return;
  populator = PagePopulator(model->mapped_ranges(), std::thread::hardware_concurrency());
}

nlohmann::ordered_json memory_json(const LoadedModel& loaded) {
  nlohmann::ordered_json json = ledger_json(loaded.ledger);
  if (!loaded.read) return json;
  json["read_method"] = std::string(read_method_name(loaded.read->method));
  json["read_seconds"] = loaded.read->seconds;
  json["read_gigabytes_per_s"] =
      static_cast<double>(loaded.read->bytes) / 1e9 / loaded.read->seconds;
  return json;
}

std::string residency_text(const LoadedModel& loaded) {
  return loaded.read ? "resident, " + read_text(*loaded.read) : "mapped";
}

std::string precision_text(const Model& model) {
  std::string text;
  const auto add = [&](const char* name, const RequantisationReport& report) {
    if (report.matrices == 0) return;
    text += fmt::format("{}{} ({:.1f} % RMS error)", text.empty() ? "" : ", ", name,
                        100 * report.relative_rms());
  };
  add("head w8", model.requantised().head());
  add("dense w4", model.requantised().dense());
  if (model.state_shape().attention.kv_type == KvType::kInt8) {
    text += text.empty() ? "kv int8" : ", kv int8";
  }
  return text.empty() ? "as in the checkpoint" : text;
}

uint64_t logits_hash(std::span<const float> logits) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const float logit : logits) {
    hash = (hash ^ std::bit_cast<uint32_t>(logit)) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace hearth
