#include "engine/scheduler.h"

#include <algorithm>

namespace hearth {

void plan_pass(std::span<const PlaceWork> places, int64_t most_tokens,
               std::vector<PlannedSegment>& plan) {
  plan.clear();
  int64_t room = most_tokens;
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].tokens != 1) continue;
    plan.push_back({static_cast<int64_t>(i), 1});
    --room;
  }
  const size_t decoding = plan.size();
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].tokens > 1) plan.push_back({static_cast<int64_t>(i), 0});
  }
  const auto order = [&](const PlannedSegment& segment) {
    return places[static_cast<size_t>(segment.place)].order;
  };
  const auto prompts = plan.begin() + static_cast<std::ptrdiff_t>(decoding);
  std::sort(prompts, plan.end(),
            [&](const PlannedSegment& a, const PlannedSegment& b) { return order(a) < order(b); });
  for (auto segment = prompts; segment != plan.end(); ++segment) {
    const PlaceWork& work = places[static_cast<size_t>(segment->place)];
    segment->tokens = std::min({work.tokens, work.until_cut, room});
    room -= segment->tokens;
  }
  plan.erase(std::find_if(prompts, plan.end(),
                          [](const PlannedSegment& segment) { return segment.tokens == 0; }),
             plan.end());
}

}  // namespace hearth
