// hearth synth: a checkpoint of real format and size with random weights, to develop and measure
// without downloading one.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "app/commands.h"
#include "app/numbers.h"
#include "app/synth_plan.h"
#include "app/synth_writer.h"
#include "base/clock.h"
#include "base/error.h"

namespace hearth {
namespace {

struct SynthOptions {
  std::string folder;
  std::string preset = "qwen3-next-80b";
  std::string recipe = "int4-mixed";
  int64_t layers = 0;  // 0: as the preset has
  uint64_t seed = 0;
  bool dry_run = false;
};

SynthModel make_model(const SynthOptions& options) {
  std::optional<SynthModel> model = find_preset(options.preset);
  if (!model) {
    throw UsageError(
        fmt::format("--preset: there is no \"{}\"; there are {}.", options.preset, kPresetNames));
  }
  const std::optional<Recipe> recipe = parse_recipe(options.recipe);
  if (!recipe) {
    throw UsageError(
        fmt::format("--recipe: there is no \"{}\"; there are {}.", options.recipe, kRecipeNames));
  }
  model->recipe = *recipe;
  if (options.layers < 0 || options.layers > model->config.layer_count()) {
    throw UsageError(fmt::format("--layers: expected 1 to {}, found {}.",
                                 model->config.layer_count(), options.layers));
  }
  if (options.layers > 0) model->config.layers.resize(static_cast<size_t>(options.layers));
  return *std::move(model);
}

void print_plan(const SynthPlan& plan) {
  const SynthTotals main = plan.totals(false);
  const SynthTotals extra = plan.totals(true);
  fmt::print("{} tensors", grouped(main.tensors + extra.tensors));
  if (extra.tensors > 0) {
    fmt::print(" ({} in the main shards, {} in the MTP shard)", grouped(main.tensors),
               grouped(extra.tensors));
  }
  fmt::print("\n{} bytes in the main shards\n", grouped(main.bytes));
  if (extra.tensors > 0) fmt::print("{} bytes in the MTP shard\n", grouped(extra.bytes));
  for (const SynthShard& shard : plan.shards) {
    fmt::print("  {}  {:>7} tensors  {:>14} bytes\n", shard.file, grouped(shard.entries.size()),
               grouped(shard.data_bytes));
  }
}

/// A line on stderr: rewritten in place on a terminal, one for each tenth elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(uint64_t total) : total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void update(uint64_t done) {
    const uint64_t percent = total_ == 0 ? 100 : done * 100 / total_;
    const uint64_t step = terminal_ ? percent : percent / 10;
    if (step == step_) return;
    step_ = step;
    fmt::print(
        stderr, "{}writing: {:3} %  {:.1f} of {:.1f} GB  {:.2f} GB/s{}", terminal_ ? "\r" : "",
        percent, static_cast<double>(done) / 1e9, static_cast<double>(total_) / 1e9,
        static_cast<double>(done) / 1e9 / watch_.seconds(), terminal_ && percent < 100 ? "" : "\n");
    std::fflush(stderr);
  }

 private:
  uint64_t total_;
  bool terminal_;
  uint64_t step_ = 0;
  Stopwatch watch_;
};

void run_synth(const SynthOptions& options) {
  const SynthModel model = make_model(options);
  const SynthPlan plan = plan_checkpoint(model);
  if (options.dry_run) {
    print_plan(plan);
    return;
  }
  check_synth_target(plan, options.folder);
  ProgressLine line(plan.totals(false).bytes + plan.totals(true).bytes);
  write_checkpoint(model, plan, options.seed, options.folder,
                   [&](uint64_t done) { line.update(done); });
  print_plan(plan);
}

}  // namespace

void add_synth_command(CLI::App& app) {
  const auto options = std::make_shared<SynthOptions>();
  CLI::App* command =
      app.add_subcommand("synth", "Write a checkpoint of real size with random weights");
  command->add_option("folder", options->folder, "Folder to write")->type_name("DIR")->required();
  command->add_option("--preset", options->preset, fmt::format("Model: {}", kPresetNames))
      ->capture_default_str();
  command->add_option("--layers", options->layers, "Only the first layers of the model");
  command->add_option("--recipe", options->recipe, fmt::format("Weights: {}", kRecipeNames))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Seed of the weights")->capture_default_str();
  command->add_flag("--dry-run", options->dry_run, "Print what would be written");
  command->callback([options] { run_synth(*options); });
}

}  // namespace hearth
