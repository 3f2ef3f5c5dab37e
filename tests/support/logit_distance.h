// How far logits are from those that they should be.
#pragma once

#include <span>
#include <vector>

namespace hearth::testing {

/// Values of several positions, e.g. logits: [positions][vocab].
using Rows = std::vector<std::vector<float>>;

/// √Σ(a−e)² / √Σe² over all rows.
double relative_rms(const Rows& actual, const Rows& expected);

/// The natural logarithm of the softmax: of probabilities that add up to one.
std::vector<double> log_softmax(std::span<const float> logits);

/// KL(p ‖ q) in nats, of logarithms of probabilities.
double divergence(std::span<const double> p, std::span<const double> q);

/// Mean over rows of logits of KL(expected ‖ actual), in nats.
double mean_divergence(const Rows& actual, const Rows& expected);

}  // namespace hearth::testing
