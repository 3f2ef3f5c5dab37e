// From logits to the next token.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "engine/distribution.h"
#include "engine/penalties.h"
#include "engine/sampling_parameters.h"

namespace hearth {

/// The likeliest token; the lowest id of equals. Not a number is never chosen, unless all are.
int32_t argmax(std::span<const float> logits) noexcept;

/// Chooses the tokens of one sequence. Steps, in this order: the mask, logit bias, repetition,
/// presence and frequency penalties, DRY; then, unless the temperature is 0 and the likeliest is
/// taken, temperature, top-k, top-p, min-p, typical-p, and a draw (docs/SAMPLING.md).
///
/// The same logits, parameters and history give the same tokens on every machine: see
/// Distribution. Logits themselves may differ in the last bits between instruction sets.
///
/// Copies go on independently from the same history and the same random numbers; seed_answer
/// makes their random numbers differ.
class Sampler {
 public:
  /// Throws UsageError for parameters out of range. Penalties keep a history with room for
  /// `context_tokens`, and nothing is allocated later as long as that suffices.
  Sampler(const SamplingParameters& parameters, int64_t vocab_size, int64_t context_tokens = 0);

  /// Tokens of the prompt, and the one that was drawn: what penalties look at. sample() leaves the
  /// second to the caller, who may throw a token away.
  void accept_prompt(std::span<const int32_t> tokens);
  void accept(int32_t token);

  /// The next token, always an id below vocab_size. Logits that are no number count as -inf, and
  /// those of +inf as the largest float. `allowed` is a mask as Constraint gives it, of at least
  /// one token; empty: all. Where no allowed token has a logit, it is the first allowed one.
  int32_t sample(std::span<const float> logits, std::span<const uint32_t> allowed = {}) noexcept;

  /// Starts the random numbers of answer `index` to the same prompt: those of seed + index.
  void seed_answer(uint64_t index) { random_.seed(parameters_.seed + index); }

 private:
  void load(std::span<const float> logits, std::span<const uint32_t> allowed) noexcept;
  int32_t choose(std::span<const uint32_t> allowed) noexcept;

  SamplingParameters parameters_;
  int64_t vocab_size_;
  std::mt19937_64 random_;
  Penalties penalties_;
  std::vector<float> logits_;  // [vocab] after mask, bias and penalties
  Distribution distribution_;
};

}  // namespace hearth
