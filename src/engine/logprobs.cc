#include "engine/logprobs.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hearth {
namespace {

/// The largest logits: a heap of the best so far, whose front is the worst of them.
std::vector<TokenChance> largest(std::span<const float> logits, size_t count) {
  const auto better = [](const TokenChance& a, const TokenChance& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.token < b.token;
  };
  std::vector<TokenChance> best;
  for (size_t i = 0; i < logits.size() && count > 0; ++i) {
    const TokenChance one{static_cast<int32_t>(i), static_cast<double>(logits[i])};
    if (best.size() == count) {
      if (!better(one, best.front())) continue;
      std::pop_heap(best.begin(), best.end(), better);
      best.pop_back();
    }
    best.push_back(one);
    std::push_heap(best.begin(), best.end(), better);
  }
  std::sort_heap(best.begin(), best.end(), better);
  return best;
}

}  // namespace

TokenChances token_chances(std::span<const float> logits, int32_t token, int64_t count) {
  CHECK(token >= 0 && static_cast<size_t>(token) < logits.size() && count >= 0);
  const double most = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  // A part that no sum of doubles would notice is not worth its exponential.
  constexpr double kNothing = -60;
  for (const float logit : logits) {
    const double difference = static_cast<double>(logit) - most;
    if (difference < kNothing) continue;
    sum += std::exp(difference);  // of a NaN as well: it is not to be hidden
  }
  const double norm = most + std::log(sum);
  TokenChances chances{{token, static_cast<double>(logits[static_cast<size_t>(token)])},
                       largest(logits, static_cast<size_t>(count))};
  chances.chosen.logprob -= norm;
  for (TokenChance& chance : chances.top) chance.logprob -= norm;
  return chances;
}

}  // namespace hearth
