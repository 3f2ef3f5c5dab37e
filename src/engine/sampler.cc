#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"
#include "base/error.h"

namespace hearth {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// The first token of the mask.
int32_t first_allowed(std::span<const uint32_t> allowed) {
  const auto word = std::find_if(allowed.begin(), allowed.end(), [](uint32_t w) { return w != 0; });
  if (word == allowed.end()) return 0;
  return static_cast<int32_t>((word - allowed.begin()) * 32 + std::countr_zero(*word));
}

float usable(float logit) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const float number = logit >= kNever ? logit : kNever;  // false for what is not a number
  return number < kLargest ? number : kLargest;
}

const SamplingParameters& checked(const SamplingParameters& parameters, int64_t vocab_size) {
  check_sampling(parameters, vocab_size);
  return parameters;
}

}  // namespace

int32_t argmax(std::span<const float> logits) noexcept {
  const auto found = std::find(logits.begin(), logits.end(), largest_logit(logits));
  return found == logits.end() ? 0 : static_cast<int32_t>(found - logits.begin());
}

Sampler::Sampler(const SamplingParameters& parameters, int64_t vocab_size, int64_t context_tokens)
    : parameters_(checked(parameters, vocab_size)),
      vocab_size_(vocab_size),
      random_(parameters.seed),
      penalties_(parameters, vocab_size, context_tokens),
      logits_(static_cast<size_t>(vocab_size)),
      distribution_(vocab_size) {}

void Sampler::accept_prompt(std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) penalties_.accept(token, false);
}

void Sampler::accept(int32_t token) { penalties_.accept(token, true); }

void Sampler::load(std::span<const float> logits, std::span<const uint32_t> allowed) noexcept {
  if (allowed.empty()) {
    std::transform(logits.begin(), logits.end(), logits_.begin(), usable);
    return;
  }
  for (size_t i = 0; i < logits.size(); ++i) {
    logits_[i] = (allowed[i / 32] >> (i % 32)) % 2 == 1 ? usable(logits[i]) : kNever;
  }
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const uint32_t> allowed) noexcept {
  CHECK(static_cast<int64_t>(logits.size()) == vocab_size_);
  CHECK(allowed.empty() || allowed.size() * 32 >= logits.size());
  const SamplingParameters& p = parameters_;
  const bool as_they_are = allowed.empty() && p.logit_bias.empty() && !penalties_.active();
  if (p.temperature == 0 && as_they_are) return argmax(logits);
  load(logits, allowed);
  for (const LogitBias& entry : p.logit_bias) {
    float& logit = logits_[static_cast<size_t>(entry.token)];
    if (logit != kNever) logit = finite(logit + entry.bias);
  }
  penalties_.apply(logits_);
  return choose(allowed);
}

int32_t Sampler::choose(std::span<const uint32_t> allowed) noexcept {
  const SamplingParameters& p = parameters_;
  const float largest = largest_logit(logits_);
  if (largest == kNever) return first_allowed(allowed);
  if (p.temperature == 0) return argmax(logits_);
  if (p.top_k > 0 && p.top_k < vocab_size_) {
    distribution_.assign_top_k(logits_, largest, p.temperature, p.top_k);
  } else {
    distribution_.assign(logits_, largest, p.temperature);
  }
  if (p.top_p < 1) distribution_.keep_top_p(p.top_p);
  if (p.min_p > 0) distribution_.keep_min_p(p.min_p);
  if (p.typical_p < 1) distribution_.keep_typical(p.typical_p);
  return distribution_.draw(random_);
}

}  // namespace hearth
