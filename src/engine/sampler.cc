#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace hearth {
namespace {

void require(bool condition, const char* name, const char* range, double value) {
  if (condition) return;
  throw UsageError(fmt::format("{} is {}: expected {}.", name, value, range));
}

}  // namespace

int32_t argmax(std::span<const float> logits) noexcept {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

Sampler::Sampler(const SamplingParameters& parameters, int64_t vocab_size)
    : parameters_(parameters), random_(parameters.seed) {
  const SamplingParameters& p = parameters;
  require(p.temperature >= 0 && p.temperature <= 100, "temperature", "0 to 100", p.temperature);
  require(p.top_k >= 0, "top-k", "0 (off) or more", static_cast<double>(p.top_k));
  require(p.top_p > 0 && p.top_p <= 1, "top-p", "above 0, up to 1", p.top_p);
  require(p.min_p >= 0 && p.min_p < 1, "min-p", "0 up to below 1", p.min_p);
  candidates_.resize(static_cast<size_t>(vocab_size));
  probabilities_.resize(static_cast<size_t>(vocab_size));
}

size_t Sampler::keep_top_k(size_t count) noexcept {
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const auto begin = candidates_.begin();
  const auto end = begin + static_cast<ptrdiff_t>(count);
  const bool cut = parameters_.top_k > 0 && static_cast<size_t>(parameters_.top_k) < count;
  if (!cut) {
    std::sort(begin, end, likelier);
    return count;
  }
  const auto kept = begin + static_cast<ptrdiff_t>(parameters_.top_k);
  std::nth_element(begin, kept - 1, end, likelier);
  std::sort(begin, kept, likelier);
  return static_cast<size_t>(parameters_.top_k);
}

size_t Sampler::keep_likely(size_t count) noexcept {
  const double largest = candidates_[0].logit;
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    probabilities_[i] =
        std::exp((static_cast<double>(candidates_[i].logit) - largest) / parameters_.temperature);
    total += probabilities_[i];
  }
  size_t kept = count;
  double reached = 0;
  for (size_t i = 0; i < count && parameters_.top_p < 1; ++i) {
    reached += probabilities_[i];
    if (reached < parameters_.top_p * total) continue;
    kept = i + 1;
    break;
  }
  while (kept > 1 && probabilities_[kept - 1] < parameters_.min_p * probabilities_[0]) --kept;
  return kept;
}

int32_t Sampler::sample(std::span<const float> logits) noexcept {
  if (parameters_.temperature == 0) return argmax(logits);
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_[i] = {logits[i], static_cast<int32_t>(i)};
  }
  const size_t kept = keep_likely(keep_top_k(logits.size()));
  double total = 0;
  for (size_t i = 0; i < kept; ++i) total += probabilities_[i];
  // 53 random bits, uniform in [0, 1): the standard library's distributions differ by vendor.
  const double uniform = static_cast<double>(random_() >> 11) * 0x1p-53;
  double left = uniform * total;
  for (size_t i = 0; i + 1 < kept; ++i) {
    left -= probabilities_[i];
    if (left < 0) return candidates_[i].token;
  }
  return candidates_[kept - 1].token;
}

}  // namespace hearth
