// Frequencies of rotary position embeddings.
#pragma once

#include <vector>

#include "checkpoint/model_config.h"

namespace hearth {

struct RopeFrequencies {
  std::vector<float> inverse;  // [rotary_dim/2], radians per position
  float scale = 1.0f;          // of cosines and sines
};

/// θ^(−2i/d) for i below d/2, d = rotary_dim; with YaRN (Peng et al. 2023, static) the low
/// frequencies are divided by the factor, with a ramp between, and the scale is 0.1·ln(factor) + 1.
RopeFrequencies rope_frequencies(const ModelConfig& config);

}  // namespace hearth
