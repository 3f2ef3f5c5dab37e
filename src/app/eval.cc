// hearth eval: the log-probability of each token of a text, its perplexity, and the logits.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/commands.h"
#include "app/model_flags.h"
#include "app/text_file.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/npy.h"
#include "engine/logprobs.h"
#include "engine/sequence_runner.h"
#include "text/tokenizer.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

struct EvalOptions {
  ModelFlags model;
  std::string ids_file;
  std::string text_file;
  std::string logits_file;
  bool json = false;
};

constexpr int64_t kLogitRows = 64;  // of one forward pass: bounds the memory of logits

/// Token ids of an .npy file, or of a text of numbers separated by anything else.
std::vector<int32_t> read_tokens(const std::string& path) {
  std::vector<int32_t> tokens;
  if (path.ends_with(".npy")) {
    for (const int64_t value : read_npy_ints(path).values) {
      tokens.push_back(static_cast<int32_t>(std::clamp<int64_t>(value, -1, INT32_MAX)));
    }
    return tokens;
  }
  const std::string text = read_text_file(path);
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int32_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error == std::errc::result_out_of_range) {
      throw UsageError(
          fmt::format("{}: a number at byte {} is out of range.", path, at - text.data()));
    }
    if (error == std::errc()) tokens.push_back(value);
    at = error == std::errc() ? next : at + 1;
  }
  return tokens;
}

std::vector<int32_t> input_tokens(const EvalOptions& options, const ModelConfig& config) {
  const bool from_text = !options.text_file.empty();
  const std::string& source = from_text ? options.text_file : options.ids_file;
  const std::vector<int32_t> tokens =
      from_text ? Tokenizer(options.model.folder).encode(read_text_file(source))
                : read_tokens(source);
  if (tokens.empty()) throw UsageError(fmt::format("{}: holds no tokens.", source));
  if (static_cast<int64_t>(tokens.size()) > config.max_positions) {
    throw UsageError(fmt::format("{}: {} tokens are more than the model's {} positions.", source,
                                 tokens.size(), config.max_positions));
  }
  for (const int32_t token : tokens) {
    if (token >= 0 && token < config.vocab_size) continue;
    throw UsageError(fmt::format("{}: token {} is not one of the model's 0 to {}.", source, token,
                                 config.vocab_size - 1));
  }
  return tokens;
}

struct Evaluation {
  std::vector<int32_t> tokens;
  std::vector<double> log_probabilities{};  // of tokens 1 and on
  double seconds = 0;
  uint64_t hash = 0;
  std::string precision{};  // precision_text
  std::string residency{};  // residency_text
  Json memory{};            // memory_json

  double perplexity() const {
    double sum = 0;
    for (const double value : log_probabilities) sum += value;
    return std::exp(-sum / static_cast<double>(log_probabilities.size()));
  }
};

Evaluation evaluate(const EvalOptions& options, std::vector<int32_t> tokens, const RunNeeds& needs,
                    LoadedModel& loaded) {
  const Model& model = *loaded.model;
  Evaluation result{.tokens = std::move(tokens)};
  const int64_t count = static_cast<int64_t>(result.tokens.size());
  std::optional<NpyWriter> writer;
  if (!options.logits_file.empty()) {
    writer.emplace(options.logits_file, count, model.config().vocab_size);
  }
  SequenceRunner runner(model, {.context_tokens = needs.context_tokens,
                                .chunk_tokens = needs.chunk_tokens,
                                .logit_rows = needs.logit_rows});
  const Stopwatch clock;
  runner.feed_all(result.tokens, [&](int64_t index, std::span<const float> logits) {
    if (index == 0) loaded.after_first_token();
    if (index + 1 < count) {
      const int32_t next = result.tokens[static_cast<size_t>(index + 1)];
      result.log_probabilities.push_back(token_chances(logits, next, 0).chosen.logprob);
    } else {
      result.hash = logits_hash(logits);
    }
    if (writer) writer->append(logits);
  });
  result.seconds = clock.seconds();
  result.precision = precision_text(model);
  result.residency = residency_text(loaded);
  result.memory = memory_json(loaded);
  if (writer) writer->close();
  return result;
}

void print_json(const Evaluation& result) {
  Json json = {{"tokens", result.tokens},     {"log_probabilities", result.log_probabilities},
               {"seconds", result.seconds},   {"memory", result.memory},
               {"weights", result.precision}, {"logits_hash", fmt::format("{:016x}", result.hash)}};
  if (!result.log_probabilities.empty()) json["perplexity"] = result.perplexity();
  fmt::print("{}\n", json.dump(2));
}

void run_eval(const EvalOptions& options) {
  if (options.ids_file.empty() == options.text_file.empty()) {
    throw UsageError("hearth eval needs one of --ids FILE and --text FILE.");
  }
  std::vector<int32_t> tokens;
  RunNeeds needs;
  const auto plan = [&](const ModelConfig& config) {
    tokens = input_tokens(options, config);
    const int64_t count = static_cast<int64_t>(tokens.size());
    const int64_t chunk = std::min(options.model.chunk_tokens, count);
    needs = {
        .context_tokens = count, .chunk_tokens = chunk, .logit_rows = std::min(kLogitRows, chunk)};
    return needs;
  };
  LoadedModel loaded = load_model(options.model, plan, {.quiet = options.json});
  const Evaluation result = evaluate(options, std::move(tokens), needs, loaded);
  if (options.json) return print_json(result);
  fmt::print("{:>8} {:>8} {:>12}\n", "position", "token", "ln p");
  fmt::print("{:>8} {:>8} {:>12}\n", 0, result.tokens[0], "-");
  for (size_t i = 0; i < result.log_probabilities.size(); ++i) {
    fmt::print("{:>8} {:>8} {:>12.6f}\n", i + 1, result.tokens[i + 1], result.log_probabilities[i]);
  }
  if (!result.log_probabilities.empty()) fmt::print("perplexity {:.6f}\n", result.perplexity());
  if (options.model.quiet) return;
  fmt::print(stderr,
             "{} | {} tokens in {:.2f} s, {:.1f} tokens/s | {} | weights {} | logits {:016x}\n",
             loaded.backend->description(), result.tokens.size(), result.seconds,
             static_cast<double>(result.tokens.size()) / result.seconds, result.residency,
             result.precision, result.hash);
}

}  // namespace

void add_eval_command(CLI::App& app) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "Log-probabilities and perplexity of a text, or its logits");
  add_model_flags(*command, options->model);
  add_run_flags(*command, options->model);
  command
      ->add_option("--ids", options->ids_file,
                   "Token ids: .npy (int32, int64), or numbers in a text file")
      ->type_name("FILE");
  // Another name for scripts. It is no setting: HEARTH_TOKENS is a number of tokens.
  command->add_option("--tokens", options->ids_file)->group("");
  command->add_option("--text", options->text_file, "Text, encoded with the model's tokenizer")
      ->type_name("FILE");
  command
      ->add_option("--logits", options->logits_file,
                   "Write the logits here: .npy, float32 [tokens, vocab]")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, command] {
    settle_model_flags(options->model, *command);
    run_eval(*options);
  });
}

}  // namespace hearth
