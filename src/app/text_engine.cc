#include "app/text_engine.h"

#include <fmt/format.h>

#include <string>

#include "base/error.h"

namespace hearth {

TextEngine::TextEngine(const GenerationFlags& flags, const Plan& plan,
                       const LoadSettings& settings) {
  RunNeeds needs;
  const auto plan_run = [&](const ModelConfig& config) {
    format_.emplace(flags.model.folder);
    sampling_ = resolve_sampling(flags.sampling, flags.model.folder, format_->tokenizer());
    check_sampling(sampling_, config.vocab_size);
    needs = plan(config, *format_);
    return needs;
  };
  loaded_ = load_model(flags.model, plan_run, settings);
  engine_.emplace(*loaded_.model, needs);
}

void check_vocabulary(const std::filesystem::path& folder, const ModelConfig& config,
                      std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) {
    if (token < config.vocab_size) continue;
    throw LoadError({.file = folder / "tokenizer.json",
                     .where = fmt::format("token {}", token),
                     .expected = fmt::format("ids below vocab_size {}", config.vocab_size),
                     .found = std::to_string(token),
                     .advice = "Tokenizer and model do not belong together."});
  }
}

void check_context(const ModelConfig& config, const ChatPrompt& prompt, int64_t max_tokens) {
  const int64_t tokens = static_cast<int64_t>(prompt.tokens.size());
  if (tokens + max_tokens <= config.max_positions) return;
  throw UsageError(
      fmt::format("a prompt of {} tokens and an answer of up to {} are more than "
                  "the model's {} positions. Shorten the prompt or lower -n.",
                  tokens, max_tokens, config.max_positions));
}

}  // namespace hearth
