// The sampler's definitions once more: slow, with full sorts and long doubles, one probability per
// token. It shares no code with the sampler.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/sampler.h"
#include "engine/sampling_parameters.h"

namespace hearth::testing {

struct ReferenceHistory {
  std::vector<int32_t> prompt;
  std::vector<int32_t> answer;

  std::vector<int32_t> all() const;
};

/// Logits after bias and penalties.
std::vector<double> reference_logits(const std::vector<float>& logits,
                                     const SamplingParameters& parameters,
                                     const ReferenceHistory& history);

/// The probability of each token; of logits that are not -inf.
std::vector<double> reference_probabilities(const std::vector<double>& logits,
                                            const SamplingParameters& parameters);

/// A sampler after a prompt and an answer.
Sampler sampler_after(const SamplingParameters& parameters, int64_t vocab_size,
                      const ReferenceHistory& history);

/// ln of the probabilities 0.1, 0.4, 0.05, 0.3, 0.15.
std::vector<float> five_logits();

/// Normally distributed: some stand out, as with a language model.
std::vector<float> random_logits(size_t count, uint64_t seed, double spread);

}  // namespace hearth::testing
