// hearth generate: one prompt, one answer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>

#include "app/commands.h"
#include "app/globals.h"
#include "app/model_flags.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/sampler.h"
#include "engine/sequence_runner.h"
#include "model/traffic.h"
#include "os/memory_info.h"
#include "text/chat_template.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

struct GenerateOptions {
  ModelFlags model;
  std::string prompt;
  std::string system;
  bool raw = false;
  bool json = false;
  int64_t max_tokens = 512;
  std::optional<double> temperature;
  std::optional<int64_t> top_k;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<uint64_t> seed;
};

struct Statistics {
  double load_seconds = 0;
  double first_token_seconds = 0;  // from the start of the command
  int64_t prompt_tokens = 0;
  double prefill_seconds = 0;
  int64_t generated_tokens = 0;
  double decode_seconds = 0;  // of all generated tokens but the first
  double decode_gigabytes_per_s = 0;
  uint64_t logits_hash = 0;      // of the last step
  std::string stop;              // "eos" or "length"
  std::string precision;         // precision_text
  std::string residency;         // residency_text
  Json memory;                   // memory_json
  uint64_t anonymous_bytes = 0;  // at the end, with the model still loaded

  double prefill_rate() const { return static_cast<double>(prompt_tokens) / prefill_seconds; }
  double decode_rate() const {
    return decode_seconds > 0 ? static_cast<double>(generated_tokens - 1) / decode_seconds : 0.0;
  }
};

std::string read_prompt(const std::string& prompt) {
  if (prompt != "-") return prompt;
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

/// The prompt as tokens: through the checkpoint's chat template, or raw.
std::vector<int32_t> prompt_tokens(const GenerateOptions& options, const Tokenizer& tokenizer) {
  const std::string prompt = read_prompt(options.prompt);
  std::string text = prompt;
  if (!options.raw) {
    Json messages = Json::array();
    if (!options.system.empty()) {
      messages.push_back({{"role", "system"}, {"content", options.system}});
    }
    messages.push_back({{"role", "user"}, {"content", prompt}});
    text = ChatTemplate(options.model.folder)
               .render(messages.dump(-1, ' ', false, Json::error_handler_t::replace), "", {});
  }
  std::vector<int32_t> tokens = tokenizer.encode(text);
  if (tokens.empty()) throw UsageError("the prompt is empty. Give one with -p TEXT.");
  return tokens;
}

SamplingParameters sampling(const GenerateOptions& options) {
  const GenerationDefaults defaults = load_generation_defaults(options.model.folder);
  const double temperature = defaults.do_sample ? defaults.temperature : 0.0;
  return {.temperature = options.temperature.value_or(temperature),
          .top_k = options.top_k.value_or(defaults.top_k),
          .top_p = options.top_p.value_or(defaults.top_p),
          .min_p = options.min_p.value_or(defaults.min_p),
          .seed = options.seed ? *options.seed : std::random_device{}()};
}

void check_tokens(const std::string& folder, const ModelConfig& config,
                  const std::vector<int32_t>& tokens, int64_t max_tokens) {
  const int64_t prompt = static_cast<int64_t>(tokens.size());
  const int64_t limit = config.max_positions;
  if (prompt + max_tokens > limit) {
    throw UsageError(
        fmt::format("a prompt of {} tokens and an answer of up to {} are more than "
                    "the model's {} positions. Shorten the prompt or lower -n.",
                    prompt, max_tokens, limit));
  }
  for (const int32_t token : tokens) {
    if (token < config.vocab_size) continue;
    throw LoadError({.file = std::filesystem::path(folder) / "tokenizer.json",
                     .where = fmt::format("token {}", token),
                     .expected = fmt::format("ids below vocab_size {}", config.vocab_size),
                     .found = std::to_string(token),
                     .advice = "Tokenizer and model do not belong together."});
  }
}

/// Runs the prompt and the answer; `emit` gets the text as it appears.
template <typename Emit>
Statistics generate(const GenerateOptions& options, const Emit& emit) {
  const Stopwatch start;
  std::optional<Tokenizer> tokenizer;
  std::vector<int32_t> prompt;
  RunNeeds needs;
  const auto plan = [&](const ModelConfig& config) {
    tokenizer.emplace(options.model.folder);
    prompt = prompt_tokens(options, *tokenizer);
    check_tokens(options.model.folder, config, prompt, options.max_tokens);
    const int64_t tokens = static_cast<int64_t>(prompt.size());
    needs = {.context_tokens = tokens + options.max_tokens,
             .chunk_tokens = std::min(options.model.chunk_tokens, tokens)};
    return needs;
  };
  LoadedModel loaded = load_model(options.model, plan, {.quiet = options.json});
  const Model& model = *loaded.model;
  Sampler sampler(sampling(options), model.config().vocab_size);
  SequenceRunner runner(
      model, {.context_tokens = needs.context_tokens, .chunk_tokens = needs.chunk_tokens});
  StreamDecoder decoder(*tokenizer, true);
  Statistics statistics{.load_seconds = loaded.load_seconds,
                        .prompt_tokens = static_cast<int64_t>(prompt.size()),
                        .stop = "length",
                        .precision = precision_text(model),
                        .residency = residency_text(loaded),
                        .memory = memory_json(loaded)};
  const Stopwatch prefill;
  std::span<const float> logits = runner.feed(prompt);
  statistics.prefill_seconds = prefill.seconds();
  Stopwatch decode;
  const auto& eos = model.config().eos_tokens;
  while (statistics.generated_tokens < options.max_tokens) {
    const int32_t token = sampler.sample(logits);
    if (++statistics.generated_tokens == 1) {
      statistics.first_token_seconds = start.seconds();
      loaded.after_first_token();
      decode.restart();
    }
    statistics.decode_seconds = decode.seconds();
    if (std::find(eos.begin(), eos.end(), token) != eos.end()) {
      statistics.stop = "eos";
      break;
    }
    emit(decoder.push(token));
    if (statistics.generated_tokens < options.max_tokens) logits = runner.feed({&token, 1});
  }
  emit(decoder.flush());
  statistics.logits_hash = logits_hash(logits);
  statistics.anonymous_bytes = anonymous_memory_bytes();
  statistics.decode_gigabytes_per_s =
      statistics.decode_rate() *
      static_cast<double>(model_traffic(model).weight_bytes_per_token()) / 1e9;
  return statistics;
}

void print_statistics(const Statistics& s) {
  fmt::print(stderr,
             "load {:.2f} s, first token after {:.2f} s | prompt: {} tokens, {:.1f} tokens/s | "
             "answer: {} tokens, {:.1f} tokens/s, {:.1f} GB/s | anonymous memory {:.0f} "
             "MB | {} | weights {} | logits {:016x}\n",
             s.load_seconds, s.first_token_seconds, s.prompt_tokens, s.prefill_rate(),
             s.generated_tokens, s.decode_rate(), s.decode_gigabytes_per_s,
             static_cast<double>(s.anonymous_bytes) / 1e6, s.residency, s.precision, s.logits_hash);
}

Json statistics_json(const Statistics& s) {
  return {{"load_seconds", s.load_seconds},
          {"first_token_seconds", s.first_token_seconds},
          {"prompt_tokens", s.prompt_tokens},
          {"prefill_tokens_per_s", s.prefill_rate()},
          {"generated_tokens", s.generated_tokens},
          {"decode_tokens_per_s", s.decode_rate()},
          {"decode_gigabytes_per_s", s.decode_gigabytes_per_s},
          {"anonymous_memory_bytes", s.anonymous_bytes},
          {"memory", s.memory},
          {"weights", s.precision},
          {"logits_hash", fmt::format("{:016x}", s.logits_hash)}};
}

void run_generate(const GenerateOptions& options) {
  if (options.json) {
    std::string text;
    const Statistics s = generate(options, [&](const std::string& piece) { text += piece; });
    const Json result = {{"text", text}, {"stop", s.stop}, {"statistics", statistics_json(s)}};
    fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  const Statistics statistics = generate(options, [](const std::string& piece) {
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  });
  std::fputc('\n', stdout);
  std::fflush(stdout);
  if (!options.model.quiet) print_statistics(statistics);
}

}  // namespace

void add_generate_command(CLI::App& app) {
  const auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Answer one prompt");
  add_model_flags(*command, options->model);
  add_run_flags(*command, options->model);
  command->add_option("-p,--prompt", options->prompt, "The prompt; - reads standard input")
      ->required();
  command->add_option("--system", options->system, "A system message before the prompt");
  command->add_flag("--raw", options->raw, "Continue the text as it is, without a chat template");
  command->add_option("-n,--tokens", options->max_tokens, "Most tokens of the answer")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 31))
      ->capture_default_str();
  const auto option = [&](const char* name, auto& value, const std::string& what) {
    command->add_option(name, value, what + " (default: the model's generation_config.json)");
  };
  option("--temp", options->temperature, "Temperature; 0: greedy");
  option("--top-k", options->top_k, "Keep the k likeliest; 0: all");
  option("--top-p", options->top_p, "Keep the likeliest up to this sum of probabilities");
  option("--min-p", options->min_p, "Keep what is this likely beside the likeliest");
  command->add_option("--seed", options->seed, "Seed of sampling (default: random)");
  command->add_flag("--json", options->json, "Print one JSON object instead of streaming");
  command->callback([options, command] {
    options->model.quiet = globals_of(*command).quiet;
    run_generate(*options);
  });
}

}  // namespace hearth
