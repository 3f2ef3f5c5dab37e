#include "engine/keep_points.h"

#include <algorithm>

#include "base/check.h"

namespace hearth {

std::vector<int64_t> keep_points(int64_t prompt_tokens, std::span<const int64_t> message_ends,
                                 int64_t stride) {
  CHECK(stride > 0);
  std::vector<int64_t> points;
  const auto add = [&](int64_t point) {
    if (point >= 1 && point < prompt_tokens) points.push_back(point);
  };
  if (!message_ends.empty()) {
    if (message_ends.front() >= kLeastKept) add(message_ends.front());
    add(message_ends.back());
  }
  for (int64_t end = stride; end < prompt_tokens; end += stride) {
    const auto after = std::upper_bound(message_ends.begin(), message_ends.end(), end);
    const bool within = after != message_ends.begin() && *(after - 1) > end - stride;
    add(within ? *(after - 1) : end);
  }
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

}  // namespace hearth
