#include "tests/support/logit_distance.h"

#include <algorithm>
#include <cmath>

namespace hearth::testing {

double relative_rms(const Rows& actual, const Rows& expected) {
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    for (size_t j = 0; j < expected[i].size(); ++j) {
      const double value = static_cast<double>(expected[i][j]);
      const double d = static_cast<double>(actual[i][j]) - value;
      difference += d * d;
      size += value * value;
    }
  }
  return std::sqrt(difference / size);
}

std::vector<double> log_softmax(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - largest);
  const double norm = largest + std::log(total);
  std::vector<double> result;
  result.reserve(logits.size());
  for (const float logit : logits) result.push_back(static_cast<double>(logit) - norm);
  return result;
}

double divergence(std::span<const double> p, std::span<const double> q) {
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i) total += std::exp(p[i]) * (p[i] - q[i]);
  return total;
}

double mean_divergence(const Rows& actual, const Rows& expected) {
  double total = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    total += divergence(log_softmax(expected[i]), log_softmax(actual[i]));
  }
  return total / static_cast<double>(expected.size());
}

}  // namespace hearth::testing
