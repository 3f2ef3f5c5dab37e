// hearth generate: one prompt, one answer or several; or a file of prompts, answered together.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/choices.h"
#include "app/commands.h"
#include "app/generate_batch.h"
#include "app/generate_output.h"
#include "app/generation_flags.h"
#include "app/globals.h"
#include "app/model_bandwidth.h"
#include "app/text_engine.h"
#include "base/clock.h"
#include "base/error.h"
#include "console/style.h"
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
  int64_t choices = 1;
  std::string thinking = "show";
  BatchOptions batch;
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

AnswerPrinter::Options printer_options(ThinkingView view, const Globals& globals) {
  const bool terminal = is_terminal(STDOUT_FILENO);
  const bool colour = wants_colour(globals.color, terminal, terminal_environment());
  return {.view = view, .headings = terminal, .style = Style(colour)};
}

/// What is known at the end of a run, with the model still loaded.
void measure(TextEngine& text, GenerateStatistics& statistics) {
  statistics.logits_hash = logits_hash(text.engine().last_logits());
  statistics.anonymous_bytes = anonymous_memory_bytes();
  statistics.bytes_per_token =
      static_cast<double>(model_traffic(text.model()).weight_bytes_per_token());
  // Not worth minutes of waiting, while weights are still read from a disk.
  if (text.loaded().populator.finished()) {
    statistics.bandwidth = model_read_bandwidth(text.loaded());
  }
}

/// What is kept while the answers are made: with several, each of those that run has pages of its
/// own, and the prompt's state is kept for those that begin later.
RunNeeds needs_of(const GenerateOptions& options, int64_t prompt_tokens) {
  const int64_t most = options.generation.max_tokens;
  RunNeeds needs{.context_tokens = prompt_tokens + most,
                 .chunk_tokens = std::min(options.generation.model.chunk_tokens, prompt_tokens)};
  if (options.choices == 1) return needs;
  needs.sequences = std::min(options.choices, options.batch.parallel);
  needs.snapshots = 1;
  needs.logit_rows = needs.sequences;
  needs.chunk_tokens = std::max(needs.chunk_tokens, needs.sequences);
  const int64_t pages = (prompt_tokens + most) / kKvPageTokens + 1;
  needs.context_tokens = (needs.sequences * pages + 1) * kKvPageTokens;
  return needs;
}

void run_choices(Choices& choices, Engine& engine, AnswerPrinter* printer) {
  do {
    while (choices.ready()) choices.submit(engine);
    if (printer) printer->advance();
  } while (engine.step());
}

/// Answers to the prompt of -p.
void run_prompt(const GenerateOptions& options, const Globals& globals) {
  const Stopwatch start;
  ChatPrompt prompt;
  const auto plan = [&](const ModelConfig& config, ChatFormat& format) {
    prompt = make_prompt(options, format);
    check_vocabulary(options.generation.model.folder, config, prompt.tokens);
    check_context(config, prompt, options.generation.max_tokens);
    return needs_of(options, static_cast<int64_t>(prompt.tokens.size()));
  };
  TextEngine text(options.generation, plan, {.quiet = options.json});
  GenerateStatistics statistics{.load_seconds = text.loaded().load_seconds,
                                .precision = precision_text(text.model()),
                                .residency = residency_text(text.loaded()),
                                .memory = memory_json(text.loaded())};
  const ThinkingView view = thinking_view(options.thinking);
  std::optional<AnswerPrinter> printer;
  Choices choices(text.format().tokenizer(),
                  {.prompt = std::move(prompt.tokens),
                   .max_tokens = options.generation.max_tokens,
                   .sampling = text.sampling(),
                   .count = options.choices},
                  [&](int64_t choice) {
                    TextAnswerOptions how{.starts_in_thinking = prompt.starts_in_thinking,
                                          .split_thinking = !options.raw,
                                          .thinking_budget = options.generation.reasoning_budget,
                                          .stop = text.sampling().stop};
                    if (!options.json) {
                      how.show = [&printer, choice](const OutputPiece& piece) {
                        printer->show(choice, piece);
                      };
                    }
                    if (choice > 0) return how;
                    how.on_first_token = [&] {
                      statistics.first_token_seconds = start.seconds();
                      text.loaded().after_first_token();
                    };
                    return how;
                  });
  if (!options.json) printer.emplace(choices, printer_options(view, globals));
  run_choices(choices, text.engine(), printer ? &*printer : nullptr);
  statistics.answer_seconds = start.seconds() - statistics.first_token_seconds;
  if (!options.json && globals.quiet) return;
  measure(text, statistics);
  if (options.json) print_json(choices, statistics, view);
  else print_statistics(choices, statistics);
}

void run_generate(const GenerateOptions& options, const Globals& globals) {
  const bool one = !options.prompt.empty();
  if (one == !options.batch.input.empty()) {
    throw UsageError("hearth generate needs one of -p TEXT and --input FILE.");
  }
  if (one) return run_prompt(options, globals);
  if (options.choices > 1) {
    throw UsageError("--choices is for one prompt; a line of --input says \"n\": NUMBER.");
  }
  if (options.raw) {
    throw UsageError("--raw is for one prompt; what --input names goes through the chat template.");
  }
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
  command
      ->add_option("-N,--choices", options->choices,
                   "Answers to the prompt, each with the next seed; the prompt is computed once")
      ->check(CLI::Range(int64_t{1}, kMostChoices))
      ->capture_default_str();
  command->add_flag("--json", options->json,
                    "Print one JSON object instead of streaming; with --choices an array");
  add_batch_options(*command, options->batch);
  command->callback([options, command] {
    settle_model_flags(options->generation.model, *command);
    run_generate(*options, globals_of(*command));
  });
}

}  // namespace hearth
