#include "engine/prefix_store.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "engine/keep_points.h"

namespace hearth {
namespace {

constexpr StateShape kShape{
    .delta_layers = 1,
    .delta = {.key_heads = 1, .value_heads = 1, .key_dim = 4, .value_dim = 4, .taps = 4},
    .attention_layers = 1,
    .attention = {.query_heads = 1, .kv_heads = 1, .head_dim = 8}};

std::vector<int32_t> count_to(int32_t count) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

class PrefixStoreTest : public testing::Test {
 protected:
  /// A state that has seen `tokens` tokens, with a mark of its own.
  SequenceState state(int64_t tokens, float mark) {
    SequenceState state(kShape, pool_);
    EXPECT_TRUE(state.reserve(tokens));
    state.advance(tokens);
    state.recurrent(0)[0] = mark;
    return state;
  }

  float mark_of(const StateSnapshot& snapshot) {
    SequenceState state(kShape, pool_);
    state.restore(snapshot);
    return state.recurrent(0)[0];
  }

  KvPagePool pool_{kShape.page_bytes(), 40};
};

TEST_F(PrefixStoreTest, FindsTheLongestPrefixThatLeavesATokenToCompute) {
  PrefixStore store(kShape, pool_, 4);
  const auto tokens = count_to(300);
  for (const int64_t length : {64, 128, 200}) {
    store.keep(std::span(tokens).first(static_cast<size_t>(length)),
               state(length, static_cast<float>(length)));
  }
  const auto match = store.find(tokens);
  ASSERT_NE(match.snapshot, nullptr);
  EXPECT_EQ(match.snapshot->length(), 200);
  EXPECT_EQ(mark_of(*match.snapshot), 200.0f);
  EXPECT_EQ(match.known_tokens, 200);
  // All of it is known, and yet the last token must be computed to have logits.
  EXPECT_EQ(store.find(count_to(200)).snapshot->length(), 128);
  EXPECT_EQ(store.find(count_to(63)).snapshot, nullptr);
  EXPECT_EQ(store.find(count_to(63)).known_tokens, 63);
}

TEST_F(PrefixStoreTest, SaysWhereAPromptParts) {
  PrefixStore store(kShape, pool_, 4);
  auto tokens = count_to(100);
  store.keep(tokens, state(100, 1));
  tokens[40] = 7;
  const auto match = store.find(tokens);
  EXPECT_EQ(match.snapshot, nullptr);
  EXPECT_EQ(match.known_tokens, 40);
  EXPECT_EQ(match.other_token, 40);
  // Nothing was there where a prompt only goes on.
  EXPECT_EQ(store.find(count_to(150)).other_token, -1);
}

TEST_F(PrefixStoreTest, WhoLosesItsParentSavesMore) {
  PrefixStore store(kShape, pool_, 3);
  store.keep(count_to(400), state(400, 1));
  store.keep(count_to(200), state(200, 2));  // enters between it and the start
  store.keep(std::vector<int32_t>(300, 7), state(300, 3));
  // Of 200 tokens each, those at the start are the cheapest; 300 are more than both.
  EXPECT_TRUE(store.drop());
  EXPECT_EQ(store.find(count_to(401)).snapshot->length(), 400);
  EXPECT_EQ(store.find(count_to(201)).snapshot, nullptr);
  // Now the longest saves all of its 400.
  EXPECT_TRUE(store.drop());
  EXPECT_EQ(store.find(std::vector<int32_t>(301, 7)).snapshot, nullptr);
  EXPECT_EQ(store.find(count_to(401)).snapshot->length(), 400);
}

TEST(KeepPoints, AreTheFirstAndTheLastMessageEnd) {
  const std::vector<int64_t> ends = {100, 150, 160, 900};
  EXPECT_EQ(keep_points(1000, ends), (std::vector<int64_t>{100, 900}));
  EXPECT_EQ(keep_points(900, ends), (std::vector<int64_t>{100}));
  EXPECT_EQ(keep_points(30, std::vector<int64_t>{10, 20}), (std::vector<int64_t>{20}));
  EXPECT_TRUE(keep_points(1, {}).empty());
}

TEST(KeepPoints, ComeOncePerStride) {
  const std::vector<int64_t> ends = {70, 90, 110, 450, 480};
  EXPECT_EQ(keep_points(500, ends, 100), (std::vector<int64_t>{70, 90, 110, 300, 400, 480}));
  EXPECT_EQ(keep_points(301, {}, 100), (std::vector<int64_t>{100, 200, 300}));
  EXPECT_EQ(keep_points(300, {}, 100), (std::vector<int64_t>{100, 200}));
}

TEST_F(PrefixStoreTest, KeepsAPathOnce) {
  PrefixStore store(kShape, pool_, 4);
  store.keep(count_to(64), state(64, 1));
  store.keep(count_to(64), state(64, 1));
  EXPECT_EQ(store.size(), 1);
}

TEST_F(PrefixStoreTest, GivesUpWhatSavesLeast) {
  PrefixStore store(kShape, pool_, 3);
  store.keep(count_to(128), state(128, 1));
  store.keep(count_to(130), state(130, 2));  // saves two tokens beside the first
  store.keep(count_to(256), state(256, 3));
  std::vector<int32_t> other(100, 5);
  store.keep(other, state(100, 4));
  EXPECT_EQ(store.size(), 3);
  EXPECT_EQ(store.find(count_to(131)).snapshot->length(), 128);
  EXPECT_EQ(store.find(count_to(257)).snapshot->length(), 256);
  other.push_back(5);
  EXPECT_EQ(store.find(other).snapshot->length(), 100);
}

TEST_F(PrefixStoreTest, GivesUpWhatIsNoLongerUsed) {
  PrefixStore store(kShape, pool_, 2);
  const std::vector<int32_t> old(100, 1);
  const std::vector<int32_t> used(101, 2);
  store.keep(old, state(100, 1));
  store.keep(std::span(used).first(100), state(100, 2));
  for (int i = 0; i < 10; ++i) EXPECT_NE(store.find(used).snapshot, nullptr);
  store.keep(std::vector<int32_t>(100, 3), state(100, 3));
  EXPECT_NE(store.find(used).snapshot, nullptr);
  EXPECT_EQ(store.find(old).known_tokens, 0);
}

TEST_F(PrefixStoreTest, DroppingFreesPages) {
  const int64_t all = pool_.free_pages();
  PrefixStore store(kShape, pool_, 2);
  store.keep(count_to(640), state(640, 1));
  EXPECT_EQ(pool_.free_pages(), all - 10);
  EXPECT_TRUE(store.drop());
  EXPECT_FALSE(store.drop());
  EXPECT_EQ(pool_.free_pages(), all);
}

TEST_F(PrefixStoreTest, WithoutRoomKeepsNothing) {
  PrefixStore store(kShape, pool_, 0);
  store.keep(count_to(64), state(64, 1));
  EXPECT_EQ(store.size(), 0);
  EXPECT_EQ(store.find(count_to(65)).snapshot, nullptr);
}

}  // namespace
}  // namespace hearth
