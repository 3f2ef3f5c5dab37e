// A model that is loaded and ready to answer in text: engine, tokenizer, template and sampling.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "answer/chat_format.h"
#include "app/generation_flags.h"
#include "engine/engine.h"

namespace hearth {

class TextEngine {
 public:
  /// Says what will be run, once the tokenizer is there and before the weights are. May throw.
  using Plan = std::function<RunNeeds(const ModelConfig& config, ChatFormat& format)>;

  /// Throws LoadError, UsageError, MemoryError.
  TextEngine(const GenerationFlags& flags, const Plan& plan, const LoadSettings& settings);

  const Model& model() const { return *loaded_.model; }
  LoadedModel& loaded() { return loaded_; }
  ChatFormat& format() { return *format_; }
  Engine& engine() { return *engine_; }
  /// What flags and checkpoint say together.
  SamplingParameters& sampling() { return sampling_; }

 private:
  std::optional<ChatFormat> format_;
  SamplingParameters sampling_;
  LoadedModel loaded_;
  std::optional<Engine> engine_;
};

/// Throws LoadError when the tokens do not fit the model: its tokenizer is another's.
void check_vocabulary(const std::filesystem::path& folder, const ModelConfig& config,
                      std::span<const int32_t> tokens);

/// Throws UsageError when prompt and answer are longer than the model's positions.
void check_context(const ModelConfig& config, const ChatPrompt& prompt, int64_t max_tokens);

}  // namespace hearth
