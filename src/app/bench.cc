// hearth bench: how fast a model runs here, beside what the machine could do.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/bench_report.h"
#include "app/bench_run.h"
#include "app/commands.h"
#include "app/model_flags.h"
#include "app/predict_sample.h"
#include "base/error.h"
#include "hub/resolve_model.h"
#include "os/file_system.h"
#include "os/process_info.h"

namespace hearth {
namespace {

struct BenchOptions {
  ModelFlags model;
  std::vector<int64_t> prompts{512};
  std::vector<int64_t> generated{128};
  std::vector<int64_t> depths{0};
  std::vector<int64_t> batches{1};
  std::vector<int64_t> chunks{kDefaultChunk};
  std::vector<int> threads{0};
  std::vector<std::string> kernel_sets;  // none: the best
  int repetitions = 5;
  double probe_seconds = 0.3;
  std::string format = "md";
  std::string compare;
  bool profile = false;
  bool predict = false;
};

std::vector<BenchTest> tests_of(const BenchOptions& options) {
  std::vector<BenchTest> tests;
  for (const int64_t depth : options.depths) {
    for (const int64_t prompt : options.prompts) {
      if (prompt > 0) tests.push_back({.prompt = prompt, .depth = depth});
    }
    for (const int64_t generated : options.generated) {
      if (generated == 0) continue;
      for (const int64_t batch : options.batches) {
        tests.push_back({.generated = generated, .depth = depth, .batch = batch});
      }
    }
  }
  if (tests.empty()) throw UsageError("nothing to measure: give -p or -n more than 0 tokens.");
  return tests;
}

void check_length(const ModelConfig& config, const BenchTest& test) {
  if (test.tokens() <= config.max_positions) return;
  throw UsageError(fmt::format("{}: {} tokens are more than the model's {} positions.", test.name(),
                               test.tokens(), config.max_positions));
}

/// The flags of the model that have no column of their own: whatever changes what is computed.
BenchRow option_columns(const ModelFlags& flags) {
  return {{"option_delta", flags.delta_form},
          {"option_exact", flags.exact},
          {"option_kv", flags.kv},
          {"option_head", flags.head},
          {"option_dense", flags.dense},
          {"option_residency", flags.residency}};
}

/// The most that any of the tests needs.
RunNeeds needs_of(const BenchOptions& options, int64_t chunk_tokens) {
  RunNeeds needs{.chunk_tokens = chunk_tokens};
  for (const BenchTest& test : tests_of(options)) {
    needs.context_tokens = std::max(needs.context_tokens, test.pool_pages() * kKvPageTokens);
    needs.sequences = std::max(needs.sequences, test.batch);
  }
  needs.logit_rows = needs.sequences;
  return needs;
}

/// A slice of the model beside it, in pages as the model's.
std::unique_ptr<ModelSample> make_sample(const ModelFlags& flags, const LoadedModel& loaded) {
  const ModelFiles files(flags.folder, *loaded.backend);
  const bool mapped = loaded.ledger.residency == Residency::kMapped;
  const PageSize pages =
      mapped && !maps_in_huge_pages(flags.folder) ? PageSize::kSmall : PageSize::kHuge;
  return std::make_unique<ModelSample>(outline_of(files), model_options(flags), *loaded.backend,
                                       SampleSettings{.pages = pages});
}

/// Tokens per second of the test as `hearth doctor` would predict them.
double predict(const ModelSample& sample, const BenchTest& test, int64_t chunk_tokens) {
  if (test.prompt > 0) {
    return static_cast<double>(test.prompt) /
           sample.prefill(test.prompt, chunk_tokens, test.depth).total();
  }
  return static_cast<double>(test.batch) /
         sample.decode(test.depth + test.generated / 2, test.batch).total();
}

/// Loads the model with one combination of flags and runs every test on it.
void run_configuration(const BenchOptions& options, const ModelFlags& flags, BenchPrinter& printer,
                       std::vector<BenchRow>& rows) {
  const bool first = rows.empty();
  const auto plan = [&](const ModelConfig& config) {
    for (const BenchTest& test : tests_of(options)) check_length(config, test);
    return needs_of(options, flags.chunk_tokens);
  };
  LoadedModel loaded = load_model(flags, plan, {.quiet = options.format != "md", .profile = true});
  const double after_load = first_token_seconds(*loaded.model);
  const double first_token = first ? process_age_seconds() : loaded.load_seconds + after_load;
  loaded.after_first_token();
  loaded.populator.wait();
  std::optional<LimitProbe> probe;
  if (options.probe_seconds > 0) probe.emplace(*loaded.backend);
  const BenchRunner runner(loaded, probe ? &*probe : nullptr,
                           {.repetitions = options.repetitions,
                            .chunk_tokens = flags.chunk_tokens,
                            .probe_seconds = options.probe_seconds});
  const BenchContext context{.model = model_name(flags.folder),
                             .isa = loaded.backend->kernels().name,
                             .threads = loaded.backend->threads(),
                             .chunk_tokens = flags.chunk_tokens,
                             .load_seconds = loaded.load_seconds,
                             .first_token_seconds = first_token,
                             .options = option_columns(flags),
                             .machine = runner.measure_machine()};
  const std::unique_ptr<ModelSample> sample =
      options.predict ? make_sample(flags, loaded) : nullptr;
  for (const BenchTest& test : tests_of(options)) {
    // Before the test, so that it cannot know.
    const double predicted = sample ? predict(*sample, test, flags.chunk_tokens) : 0;
    rows.push_back(bench_row(context, runner.traffic(), test, runner.run(test)));
    if (sample) add_prediction(rows.back(), predicted);
    printer.print(rows.back());
  }
}

void run_bench(const BenchOptions& options) {
  tests_of(options);  // nothing to do is said before anything is loaded
  std::vector<BenchRow> before;
  if (!options.compare.empty()) before = read_bench_rows(options.compare);
  const BenchFormat format = bench_format(options.format);
  BenchPrinter printer(format, options.profile, options.predict);
  std::vector<BenchRow> rows;
  const std::vector<std::string> sets =
      options.kernel_sets.empty() ? std::vector<std::string>{""} : options.kernel_sets;
  for (const std::string& set : sets) {
    for (const int threads : options.threads) {
      for (const int64_t chunk : options.chunks) {
        ModelFlags flags = options.model;
        flags.kernel_set = set;
        flags.threads = threads;
        flags.chunk_tokens = chunk;
        run_configuration(options, flags, printer, rows);
      }
    }
  }
  printer.finish();
  if (options.compare.empty()) return;
  // Formats for programs stay clean.
  fmt::print(format == BenchFormat::kMarkdown ? stdout : stderr, "\n{}",
             compare_rows(rows, before));
}

/// What llama-bench takes lists of: the tests, and how the model is run.
void add_list_options(CLI::App& command, BenchOptions& options) {
  const auto list = [&](const char* name, auto& values, const char* what) {
    return command.add_option(name, values, what)
        ->delimiter(',')
        ->expected(1, 64)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->capture_default_str();
  };
  constexpr int64_t kMost = int64_t{1} << 31;
  list("-p,--n-prompt", options.prompts, "Prompt lengths; 0: no prefill test")
      ->check(CLI::Range(int64_t{0}, kMost));
  list("-n,--n-gen", options.generated, "Numbers of decoded tokens; 0: no decode test")
      ->check(CLI::Range(int64_t{0}, kMost));
  list("-d,--n-depth", options.depths, "Tokens of context before the test")
      ->check(CLI::Range(int64_t{0}, kMost));
  list("-B,--batch", options.batches, "Sequences that decode together")
      ->check(CLI::Range(int64_t{1}, int64_t{256}));
  list("-b,--batch-size,--chunk", options.chunks, "Most prompt tokens of one forward pass")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}));
  list("-t,--threads", options.threads, "Worker threads; 0: one per physical core")
      ->check(CLI::Range(0, 1024));
  list("--isa", options.kernel_sets, "Kernel sets (default: the best that runs here)");
}

}  // namespace

void add_bench_command(CLI::App& app) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Measure speed beside the machine's limits");
  add_model_flags(*command, options->model);
  add_list_options(*command, *options);
  command->add_option("-r,--repetitions", options->repetitions, "Repetitions of every test")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("-o,--output", options->format, "md, json, csv or jsonl")
      ->check(CLI::IsMember({"md", "json", "csv", "jsonl"}))
      ->capture_default_str();
  command
      ->add_option("--compare", options->compare,
                   "Also print ratios against this record (json or jsonl)")
      ->type_name("FILE");
  command->add_flag("--profile", options->profile, "Show shares of the time by operation");
  command->add_flag("--predict", options->predict,
                    "Also predict each test as hearth doctor does, and say how far off that is");
  command
      ->add_option("--probe", options->probe_seconds,
                   "Seconds of each measurement of a limit; 0: none, and no shares")
      ->check(CLI::Range(0.0, 60.0))
      ->capture_default_str();
  command->callback([options, command] {
    settle_model_flags(options->model, *command);
    run_bench(*options);
  });
}

}  // namespace hearth
