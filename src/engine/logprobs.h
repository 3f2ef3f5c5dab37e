// How likely tokens were, by the model's own distribution: before masks, penalties and temperature.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

struct TokenChance {
  int32_t token = 0;
  double logprob = 0;  // natural logarithm
};

/// A token, and the likeliest ones in its place.
struct TokenChances {
  TokenChance chosen;
  std::vector<TokenChance> top;  // the likeliest first, the lowest id of equals
};

/// The log-softmax of the logits at the token and at the `count` largest of them.
TokenChances token_chances(std::span<const float> logits, int32_t token, int64_t count);

}  // namespace hearth
