// hearth estimate: the memory that a run would take, byte by byte, without loading anything.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/commands.h"
#include "app/load_report.h"
#include "app/model_flags.h"
#include "app/predict_models.h"
#include "base/error.h"
#include "model/traffic.h"
#include "os/file_reader.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

struct EstimateOptions {
  ModelFlags model;
  std::string preset;
  int64_t context = 4096;
  int64_t sequences = 1;
  bool json = false;
};

struct Estimate {
  std::string model;
  MemoryLedger ledger;
  uint64_t weight_bytes_per_token = 0;
  bool fits = false;
  std::string advice;
};

ModelOutline outline(const EstimateOptions& options, CpuBackend& backend, double& cached) {
  if (!options.preset.empty()) return outline_of(find_known_checkpoint(options.preset));
  const ModelFiles files(options.model.folder, backend);
  cached = cached_share(files.ranges());
  return outline_of(files);
}

Estimate make_estimate(const EstimateOptions& options) {
  if (options.preset.empty() == options.model.folder.empty()) {
    throw UsageError("hearth estimate needs one of --model DIR and --preset NAME.");
  }
  CpuBackend backend({.threads = options.model.threads, .kernel_set = options.model.kernel_set});
  double cached = 0;
  const ModelOutline model = outline(options, backend, cached);
  const int64_t context = context_of(model.config, options.context, options.context);
  // Every sequence has pages of its own, and its logits.
  const int64_t pages = (context + kKvPageTokens - 1) / kKvPageTokens;
  const RunNeeds needs{.context_tokens = options.sequences * pages * kKvPageTokens,
                       .sequences = options.sequences,
                       .chunk_tokens = std::max(options.model.chunk_tokens, options.sequences),
                       .logit_rows = options.sequences};
  const ModelOptions flags = model_options(options.model);
  Estimate estimate;
  estimate.model = options.preset.empty() ? options.model.folder : options.preset;
  estimate.ledger = make_ledger(model, flags, Residency::kMapped, needs, backend.threads(),
                                available_memory_bytes());
  if (options.model.residency == "resident") estimate.ledger.residency = Residency::kResident;
  if (options.model.residency == "auto") {
    estimate.ledger.residency = choose_residency(estimate.ledger, cached);
  }
  estimate.weight_bytes_per_token =
      model_traffic(model.config, model.weights, state_shape_of(model.config, flags))
          .weight_bytes_per_token();
  estimate.advice = fit_advice(estimate.ledger, flags);
  estimate.fits = estimate.advice.empty();
  return estimate;
}

nlohmann::ordered_json to_json(const Estimate& estimate) {
  const MemoryLedger& ledger = estimate.ledger;
  nlohmann::ordered_json json = {{"model", estimate.model}};
  json.update(ledger_json(ledger));
  json["scratch_bytes"] = ledger.scratch_bytes;
  json["mapped_bytes"] = ledger.residency == Residency::kMapped ? ledger.weight_bytes : 0;
  json["resident_needed_bytes"] = ledger.anonymous_bytes(Residency::kResident);
  json["checkpoint_weight_bytes_per_token"] = estimate.weight_bytes_per_token;
  json["fits"] = estimate.fits;
  json["fits_whole"] = ledger.fits_whole();
  json["advice"] = estimate.advice;
  return json;
}

void print(const Estimate& estimate) {
  const MemoryLedger& ledger = estimate.ledger;
  const auto mb = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  fmt::print("{}\n{}", estimate.model, ledger_text(ledger));
  if (ledger.residency == Residency::kMapped) {
    fmt::print("  {:<36}{:>10.1f} MB\n", "with the weights",
               mb(ledger.anonymous_bytes(Residency::kResident)));
  }
  fmt::print("  {:<36}{:>10.1f} MB of weights as in the checkpoint\n", "a decoded token reads",
             mb(estimate.weight_bytes_per_token));
  if (!estimate.fits) {
    fmt::print("It does not fit here.\n");
  } else if (!ledger.fits_whole()) {
    fmt::print("It runs here, but slowly: {:.1f} GB more memory would hold the weights as well.\n",
               mb(ledger.anonymous_bytes(Residency::kResident) - ledger.available_bytes) / 1e3);
  } else {
    fmt::print("It fits here.\n");
  }
}

void run(const EstimateOptions& options) {
  const Estimate estimate = make_estimate(options);
  if (options.json) {
    fmt::print("{}\n",
               to_json(estimate).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    print(estimate);
  }
  require_fit(estimate.ledger, model_options(options.model));
}

}  // namespace

void add_estimate_command(CLI::App& app) {
  const auto options = std::make_shared<EstimateOptions>();
  CLI::App* command =
      app.add_subcommand("estimate", "Count the memory of a run, without loading the model");
  add_model_flags(*command, options->model);
  add_run_flags(*command, options->model);
  command->get_option("--model")->required(false);
  command->add_option(
      "--preset", options->preset,
      fmt::format("A checkpoint that need not be there: {}", known_checkpoint_names()));
  command->get_option("--preset")->excludes(command->get_option("--model"));
  constexpr int64_t kMost = int64_t{1} << 31;
  command->add_option("-c,--context", options->context, "Tokens of context of each sequence")
      ->check(CLI::Range(int64_t{1}, kMost))
      ->capture_default_str();
  command->add_option("--sequences", options->sequences, "Sequences at the same time")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Exit code 0 when it fits, 4 when it does not.");
  command->callback([options, command] {
    settle_model_flags(options->model, *command);
    run(*options);
  });
}

}  // namespace hearth
