// From logits to the next token.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace hearth {

/// In the order in which they act: temperature, top-k, top-p, min-p.
struct SamplingParameters {
  double temperature = 1.0;  // 0: greedy, and nothing below matters
  int64_t top_k = 0;         // keep the k most likely; 0: all
  double top_p = 1.0;        // keep the fewest most likely whose probabilities reach p; 1: all
  double min_p = 0.0;        // keep what is at least p times as likely as the likeliest; 0: all
  uint64_t seed = 0;
};

/// The likeliest token; the lowest id of equals.
int32_t argmax(std::span<const float> logits) noexcept;

class Sampler {
 public:
  /// Throws UsageError for parameters out of range.
  Sampler(const SamplingParameters& parameters, int64_t vocab_size);

  /// Draws a token. The same seed, parameters and logits give the same tokens everywhere.
  int32_t sample(std::span<const float> logits) noexcept;

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };

  /// Puts the kept candidates first, in decreasing order of likelihood; returns their number.
  size_t keep_top_k(size_t count) noexcept;
  size_t keep_likely(size_t count) noexcept;

  SamplingParameters parameters_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;  // [vocab]
  std::vector<double> probabilities_;  // [vocab]
};

}  // namespace hearth
