#include "tests/engine/reference_sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

namespace hearth::testing {
namespace {

using Probabilities = std::vector<long double>;

std::vector<int32_t> last(const std::vector<int32_t>& tokens, int64_t window) {
  const int64_t size = static_cast<int64_t>(tokens.size());
  const int64_t kept = window < 0 ? size : std::min(window, size);
  return {tokens.end() - kept, tokens.end()};
}

Probabilities normalised(Probabilities values) {
  const long double total = std::accumulate(values.begin(), values.end(), 0.0L);
  for (long double& value : values) value /= total;
  return values;
}

/// Keeps the first tokens of `order` until they reach p.
Probabilities reach(const Probabilities& values, const std::vector<size_t>& order, double p) {
  Probabilities kept(values.size());
  long double sum = 0;
  for (const size_t token : order) {
    kept[token] = values[token];
    sum += values[token];
    if (sum >= p - 1e-12L) break;
  }
  return normalised(kept);
}

std::vector<size_t> tokens_by(const Probabilities& values, const std::vector<long double>& keys) {
  std::vector<size_t> order;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] > 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return keys[a] != keys[b] ? keys[a] < keys[b] : values[a] > values[b];
  });
  return order;
}

Probabilities negative(Probabilities values) {
  for (long double& value : values) value = -value;
  return values;
}

void apply_dry(std::vector<double>& logits, const SamplingParameters& p,
               const std::vector<int32_t>& tokens) {
  const auto breaks = [&](int32_t token) {
    return std::count(p.dry_breaker_tokens.begin(), p.dry_breaker_tokens.end(), token) > 0;
  };
  const int64_t size = static_cast<int64_t>(tokens.size());
  std::map<int32_t, int64_t> longest;
  for (int64_t next = 1; next < size; ++next) {
    // How far the tokens before `next` agree with the last ones.
    int64_t length = 0;
    while (length < next && tokens[static_cast<size_t>(next - 1 - length)] ==
                                tokens[static_cast<size_t>(size - 1 - length)]) {
      if (breaks(tokens[static_cast<size_t>(size - 1 - length)])) break;
      ++length;
    }
    int64_t& known = longest[tokens[static_cast<size_t>(next)]];
    known = std::max(known, length);
  }
  for (const auto& [token, length] : longest) {
    if (length < p.dry_allowed_length || breaks(token)) continue;
    logits[static_cast<size_t>(token)] -=
        p.dry_multiplier * std::pow(p.dry_base, static_cast<double>(length - p.dry_allowed_length));
  }
}

}  // namespace

std::vector<int32_t> ReferenceHistory::all() const {
  std::vector<int32_t> tokens = prompt;
  tokens.insert(tokens.end(), answer.begin(), answer.end());
  return tokens;
}

std::vector<double> reference_logits(const std::vector<float>& logits, const SamplingParameters& p,
                                     const ReferenceHistory& history) {
  std::vector<double> result(logits.begin(), logits.end());
  for (const LogitBias& entry : p.logit_bias)
    result[static_cast<size_t>(entry.token)] += entry.bias;
  const std::vector<int32_t> window = last(history.all(), p.repeat_last_n);
  const int64_t drawn =
      std::min(static_cast<int64_t>(history.answer.size()), static_cast<int64_t>(window.size()));
  const std::vector<int32_t> answer = last(window, drawn);
  for (size_t i = 0; i < result.size(); ++i) {
    const int32_t token = static_cast<int32_t>(i);
    const double times = static_cast<double>(std::count(answer.begin(), answer.end(), token));
    if (std::count(window.begin(), window.end(), token) > 0) {
      result[i] =
          result[i] < 0 ? result[i] * p.repetition_penalty : result[i] / p.repetition_penalty;
    }
    result[i] -= p.frequency_penalty * times + (times > 0 ? p.presence_penalty : 0);
  }
  if (p.dry_multiplier > 0) apply_dry(result, p, last(history.all(), p.dry_penalty_last_n));
  return result;
}

std::vector<double> reference_probabilities(const std::vector<double>& logits,
                                            const SamplingParameters& p) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  Probabilities values;
  for (const double logit : logits) {
    values.push_back(std::exp((static_cast<long double>(logit) - largest) / p.temperature));
  }
  values = normalised(values);
  if (p.top_k > 0) {
    std::vector<size_t> order = tokens_by(values, negative(values));
    const size_t kept = std::min(order.size(), static_cast<size_t>(p.top_k));
    for (size_t i = kept; i < order.size(); ++i) values[order[i]] = 0;
    values = normalised(values);
  }
  if (p.top_p < 1) values = reach(values, tokens_by(values, negative(values)), p.top_p);
  const long double likeliest = *std::max_element(values.begin(), values.end());
  for (long double& value : values) {
    if (value < p.min_p * likeliest) value = 0;
  }
  values = normalised(values);
  if (p.typical_p < 1) {
    long double entropy = 0;
    for (const long double value : values) entropy -= value > 0 ? value * std::log(value) : 0;
    std::vector<long double> keys;
    for (const long double value : values) keys.push_back(std::abs(-std::log(value) - entropy));
    values = reach(values, tokens_by(values, keys), p.typical_p);
  }
  return {values.begin(), values.end()};
}

Sampler sampler_after(const SamplingParameters& parameters, int64_t vocab_size,
                      const ReferenceHistory& history) {
  Sampler sampler(parameters, vocab_size, 64);
  sampler.accept_prompt(history.prompt);
  for (const int32_t token : history.answer) sampler.accept(token);
  return sampler;
}

std::vector<float> five_logits() {
  std::vector<float> values;
  for (const double p : {0.1, 0.4, 0.05, 0.3, 0.15}) {
    values.push_back(static_cast<float>(std::log(p)));
  }
  return values;
}

std::vector<float> random_logits(size_t count, uint64_t seed, double spread) {
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(spread * std::sqrt(-2 * std::log(uniform())) *
                               std::cos(6.283185307179586 * uniform()));
  }
  return values;
}

}  // namespace hearth::testing
