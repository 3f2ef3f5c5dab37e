// The toy model of the specification: weights made from their names, so that any implementation
// can make them bit for bit, and numbers computed in float64 by an independent program.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "checkpoint/model_config.h"
#include "model/weights.h"

namespace hearth::toy {

/// The first `count` values in [0, 1) of the stream named `name`: FNV-1a-64 of the name seeds
/// splitmix64; each value is its upper 53 bits.
std::vector<double> stream(const std::string& name, size_t count);

/// Owns the memory that the weights point to.
struct ToyModel {
  ModelConfig config;
  ModelWeights weights;
  std::deque<std::vector<float>> storage;
};

ToyModel make_toy_model();

/// Token ids[i] = (7i² + 3i + 1) mod 50, for i < 70.
std::vector<int32_t> toy_tokens();

}  // namespace hearth::toy
