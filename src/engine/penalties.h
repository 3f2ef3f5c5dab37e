// Penalties for tokens that were there before, and the history that they need.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling_parameters.h"

namespace hearth {

/// Three penalties by tokens, one by sequences. With l the logit of a token:
///   repetition   l < 0 ? l·r : l/r for each token of the window. Keskar et al. 2019 (CTRL),
///                in the form of Hugging Face and llama.cpp for negative logits.
///   frequency    l - f·c, c: how often the token was drawn in the window
///   presence     l - p for each token drawn in the window. Both as in OpenAI's API reference.
///   DRY          l - m·b^(n - a) for a token that would make a repetition of n >= a tokens one
///                longer (p-e-w 2024, github.com/oobabooga/text-generation-webui/pull/5677).
/// Repetition and DRY see the prompt and the answer, frequency and presence the answer, as OpenAI
/// ("sampled") and vLLM have it; llama.cpp counts the prompt for these two as well.
class Penalties {
 public:
  /// Room for `context_tokens`; more are accepted at the price of allocations.
  Penalties(const SamplingParameters& parameters, int64_t vocab_size, int64_t context_tokens);

  bool active() const { return by_token_ || dry_; }
  void accept(int32_t token, bool drawn);
  /// Logits of -inf stay so.
  void apply(std::span<float> logits) noexcept;

 private:
  /// Of the prompt ~token, so that both kinds go through one list.
  using Entry = int32_t;

  void count(Entry entry, int32_t change) noexcept;
  void apply_by_token(std::span<float> logits) noexcept;
  void apply_dry(std::span<float> logits) noexcept;
  void measure_repeats(int64_t tokens, int64_t limit) noexcept;
  int64_t unbroken_end(int64_t tokens) const noexcept;
  int32_t from_end(int64_t index) const noexcept;

  double repetition_, presence_, frequency_;
  int64_t window_;
  double dry_multiplier_, dry_base_;
  int64_t dry_allowed_length_, dry_window_;
  bool by_token_, dry_;

  std::vector<Entry> history_;      // [context]
  std::vector<int32_t> seen_;       // [vocab] times in the window
  std::vector<int32_t> drawn_;      // [vocab] of those, how many were drawn
  std::vector<int32_t> listed_;     // [vocab] tokens that may be in the window
  std::vector<uint8_t> is_listed_;  // [vocab]
  std::vector<uint8_t> breaker_;    // [vocab] no repetition reaches across these
  std::vector<int32_t> repeat_;     // [context] repeated tokens that end so far from the end
  std::vector<int32_t> longest_;    // [vocab] repeated tokens before a token; 0 between calls
};

/// A finite float, for values that may have left the range of floats.
float finite(double value) noexcept;

}  // namespace hearth
