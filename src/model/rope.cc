#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hearth {
namespace {

// Rotations over the original context beyond which a frequency is kept, below which it is divided.
constexpr double kBetaFast = 32.0;
constexpr double kBetaSlow = 1.0;

/// The (fractional) index of the frequency that turns `rotations` times in the original context.
double correction_index(const ModelConfig& config, double rotations) {
  const double original = static_cast<double>(config.yarn->original_max_positions);
  return static_cast<double>(config.rotary_dim) *
         std::log(original / (rotations * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(config.rope_theta));
}

void apply_yarn(const ModelConfig& config, RopeFrequencies& rope) {
  const double factor = config.yarn->factor;
  const double last = static_cast<double>(config.rotary_dim - 1);
  const double low = std::max(std::floor(correction_index(config, kBetaFast)), 0.0);
  double high = std::min(std::ceil(correction_index(config, kBetaSlow)), last);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < rope.inverse.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double kept = rope.inverse[i];
    rope.inverse[i] = static_cast<float>((1.0 - ramp) * kept + ramp * kept / factor);
  }
  rope.scale = static_cast<float>(0.1 * std::log(factor) + 1.0);
}

}  // namespace

RopeFrequencies rope_frequencies(const ModelConfig& config) {
  RopeFrequencies rope;
  const double dim = static_cast<double>(config.rotary_dim);
  for (int64_t i = 0; i < config.rotary_dim / 2; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / dim;
    rope.inverse.push_back(static_cast<float>(std::pow(config.rope_theta, exponent)));
  }
  if (config.yarn) apply_yarn(config, rope);
  return rope;
}

}  // namespace hearth
