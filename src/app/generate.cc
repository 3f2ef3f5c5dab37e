// hearth generate: one prompt, one answer; or a file of prompts, answered together.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/commands.h"
#include "app/generate_batch.h"
#include "app/generation_flags.h"
#include "app/text_engine.h"
#include "base/clock.h"
#include "base/error.h"
#include "model/traffic.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

struct GenerateOptions {
  GenerationFlags generation;
  std::string prompt;
  bool raw = false;
  bool json = false;
  std::string thinking = "show";
  BatchOptions batch;
};

struct Statistics {
  double load_seconds = 0;
  double first_token_seconds = 0;  // from the start of the command
  GenerationUsage usage = {};
  int64_t thinking_tokens = 0;
  double decode_gigabytes_per_s = 0;
  uint64_t logits_hash = 0;      // of the last step
  std::string precision;         // precision_text
  std::string residency;         // residency_text
  Json memory;                   // memory_json
  uint64_t anonymous_bytes = 0;  // at the end, with the model still loaded

  double prefill_rate() const {
    return static_cast<double>(usage.prompt_tokens) / usage.prefill_seconds;
  }
  double decode_rate() const {
    return usage.decode_seconds > 0
               ? static_cast<double>(usage.generated_tokens - 1) / usage.decode_seconds
               : 0.0;
  }
};

std::string read_prompt(const std::string& prompt) {
  if (prompt != "-") return prompt;
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

ChatPrompt make_prompt(const GenerateOptions& options, ChatFormat& format) {
  const std::string text = read_prompt(options.prompt);
  ChatPrompt prompt;
  if (options.raw) {
    prompt = format.raw_prompt(text);
  } else {
    Json messages = Json::array();
    if (!options.generation.system.empty()) {
      messages.push_back({{"role", "system"}, {"content", options.generation.system}});
    }
    messages.push_back({{"role", "user"}, {"content", text}});
    prompt = format.prompt(messages);
  }
  if (prompt.tokens.empty()) throw UsageError("the prompt is empty. Give one with -p TEXT.");
  return prompt;
}

/// One answer in the order in which it comes, on standard output. Reasoning stands between its
/// marks, unless it is alone.
class Printer {
 public:
  explicit Printer(ThinkingView view) : view_(view) {}

  void show(const OutputPiece& piece) {
    const OutputPiece seen = visible_part(piece, view_);
    if (!seen.thinking.empty()) {
      if (view_ == ThinkingView::kShow && !thinking_) write("<think>\n");
      thinking_ = true;
      write(seen.thinking);
    }
    if (!seen.answer.empty()) {
      close();
      write(seen.answer);
    }
  }

  void finish() {
    close();
    write("\n");
  }

 private:
  void close() {
    if (view_ == ThinkingView::kShow && thinking_) write("\n</think>\n\n");
    thinking_ = false;
  }

  static void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  ThinkingView view_;
  bool thinking_ = false;
};

void print_statistics(const Statistics& s) {
  const std::string thinking =
      s.thinking_tokens > 0 ? fmt::format(" ({} of reasoning)", s.thinking_tokens) : "";
  fmt::print(stderr,
             "load {:.2f} s, first token after {:.2f} s | prompt: {} tokens, {:.1f} tokens/s | "
             "answer: {} tokens{}, {:.1f} tokens/s, {:.1f} GB/s | anonymous memory {:.0f} "
             "MB | {} | weights {} | logits {:016x}\n",
             s.load_seconds, s.first_token_seconds, s.usage.prompt_tokens, s.prefill_rate(),
             s.usage.generated_tokens, thinking, s.decode_rate(), s.decode_gigabytes_per_s,
             static_cast<double>(s.anonymous_bytes) / 1e6, s.residency, s.precision, s.logits_hash);
}

Json statistics_json(const Statistics& s) {
  return {{"load_seconds", s.load_seconds},
          {"first_token_seconds", s.first_token_seconds},
          {"prompt_tokens", s.usage.prompt_tokens},
          {"prefill_tokens_per_s", s.prefill_rate()},
          {"generated_tokens", s.usage.generated_tokens},
          {"reasoning_tokens", s.thinking_tokens},
          {"decode_tokens_per_s", s.decode_rate()},
          {"decode_gigabytes_per_s", s.decode_gigabytes_per_s},
          {"anonymous_memory_bytes", s.anonymous_bytes},
          {"memory", s.memory},
          {"weights", s.precision},
          {"logits_hash", fmt::format("{:016x}", s.logits_hash)}};
}

void print_json(const TextAnswer& answer, const Statistics& statistics, ThinkingView view) {
  const OutputPiece seen = visible_part({answer.thinking(), answer.answer()}, view);
  Json result = {{"text", seen.answer}};
  if (!seen.thinking.empty()) result["reasoning"] = seen.thinking;
  result["stop"] = answer.finish_reason();
  result["statistics"] = statistics_json(statistics);
  fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
}

void run_one(const GenerateOptions& options) {
  const Stopwatch start;
  ChatPrompt prompt;
  const auto plan = [&](const ModelConfig& config, ChatFormat& format) {
    prompt = make_prompt(options, format);
    check_vocabulary(options.generation.model.folder, config, prompt.tokens);
    check_context(config, prompt, options.generation.max_tokens);
    const int64_t tokens = static_cast<int64_t>(prompt.tokens.size());
    return RunNeeds{.context_tokens = tokens + options.generation.max_tokens,
                    .chunk_tokens = std::min(options.generation.model.chunk_tokens, tokens)};
  };
  TextEngine text(options.generation, plan, {.quiet = options.json});
  Statistics statistics{.load_seconds = text.loaded().load_seconds,
                        .precision = precision_text(text.model()),
                        .residency = residency_text(text.loaded()),
                        .memory = memory_json(text.loaded())};
  const ThinkingView view = thinking_view(options.thinking);
  Printer printer(view);
  TextAnswerOptions how{.starts_in_thinking = prompt.starts_in_thinking,
                        .split_thinking = !options.raw,
                        .thinking_budget = options.generation.reasoning_budget,
                        .stop = text.sampling().stop};
  if (!options.json) how.show = [&](const OutputPiece& piece) { printer.show(piece); };
  how.on_first_token = [&] {
    statistics.first_token_seconds = start.seconds();
    text.loaded().after_first_token();
  };
  TextAnswer answer(text.format().tokenizer(), how);
  text.engine().submit({.prompt = std::move(prompt.tokens),
                        .max_tokens = options.generation.max_tokens,
                        .sampling = text.sampling(),
                        .observer = &answer});
  text.engine().run();
  statistics.usage = answer.usage();
  statistics.thinking_tokens = answer.thinking_tokens();
  statistics.logits_hash = logits_hash(text.engine().last_logits());
  statistics.anonymous_bytes = anonymous_memory_bytes();
  statistics.decode_gigabytes_per_s =
      statistics.decode_rate() *
      static_cast<double>(model_traffic(text.model()).weight_bytes_per_token()) / 1e9;
  if (options.json) return print_json(answer, statistics, view);
  printer.finish();
  if (!options.generation.model.quiet) print_statistics(statistics);
}

void run_generate(const GenerateOptions& options) {
  const bool one = !options.prompt.empty();
  if (one == !options.batch.input.empty()) {
    throw UsageError("hearth generate needs one of -p TEXT and --input FILE.");
  }
  if (one) return run_one(options);
  run_batch(options.generation, options.batch);
}

}  // namespace

void add_generate_command(CLI::App& app) {
  const auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Answer one prompt, or a file of them");
  add_generation_flags(*command, options->generation, 512);
  command->add_option("-p,--prompt", options->prompt, "The prompt; - reads standard input");
  command->add_flag("--raw", options->raw, "Continue the text as it is, without a chat template");
  add_thinking_flag(*command, options->thinking);
  command->add_flag("--json", options->json, "Print one JSON object instead of streaming");
  add_batch_options(*command, options->batch);
  command->callback([options, command] {
    settle_model_flags(options->generation.model, *command);
    run_generate(*options);
  });
}

}  // namespace hearth
