#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace hearth {
namespace {

std::vector<PlannedSegment> plan(const std::vector<PlaceWork>& places, int64_t most_tokens) {
  std::vector<PlannedSegment> result;
  plan_pass(places, most_tokens, result);
  return result;
}

int64_t tokens_of(const std::vector<PlannedSegment>& plan, int64_t place) {
  for (const PlannedSegment& segment : plan) {
    if (segment.place == place) return segment.tokens;
  }
  return 0;
}

TEST(Scheduler, NothingToDoIsAnEmptyPlan) {
  EXPECT_TRUE(plan({}, 8).empty());
  EXPECT_TRUE(plan({{}, {}}, 8).empty());
}

TEST(Scheduler, WhoDecodesTakesPartBesideALongPrompt) {
  const auto result = plan({{1000, 1000, 1}, {1, 1, 2}, {1, 1, 3}}, 64);
  EXPECT_EQ(tokens_of(result, 0), 62);
  EXPECT_EQ(tokens_of(result, 1), 1);
  EXPECT_EQ(tokens_of(result, 2), 1);
}

TEST(Scheduler, TheEarliestPromptComesFirst) {
  const auto result = plan({{100, 100, 9}, {50, 50, 4}}, 64);
  EXPECT_EQ(tokens_of(result, 1), 50);
  EXPECT_EQ(tokens_of(result, 0), 14);
}

TEST(Scheduler, APromptStopsAtItsCut) { EXPECT_EQ(tokens_of(plan({{100, 30, 1}}, 64), 0), 30); }

TEST(Scheduler, PlansFillTheRoomAndNeverExceedIt) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const int64_t count = 1 + static_cast<int64_t>(random() % 8);
    const int64_t most = count + static_cast<int64_t>(random() % 64);
    std::vector<PlaceWork> places(static_cast<size_t>(count));
    int64_t wanted = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      const int64_t tokens = random() % 3 == 0 ? 1 : static_cast<int64_t>(random() % 100);
      const int64_t cut = tokens == 0 ? 0 : 1 + static_cast<int64_t>(random()) % tokens;
      places[i] = {tokens, cut, random()};
      wanted += std::min(tokens, cut);
    }
    const auto result = plan(places, most);
    int64_t sum = 0;
    std::vector<bool> seen(places.size());
    for (const PlannedSegment& segment : result) {
      const size_t place = static_cast<size_t>(segment.place);
      EXPECT_FALSE(seen[place]);
      seen[place] = true;
      EXPECT_GT(segment.tokens, 0);
      EXPECT_LE(segment.tokens, places[place].until_cut);
      sum += segment.tokens;
    }
    EXPECT_EQ(sum, std::min(wanted, most));
    for (size_t i = 0; i < places.size(); ++i) EXPECT_TRUE(seen[i] || places[i].tokens != 1);
  }
}

}  // namespace
}  // namespace hearth
