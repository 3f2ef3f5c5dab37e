// Requests that run together get the answers that they get alone, whatever else happens beside
// them; what is computed once is not computed again; and everything is free in the end.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"

namespace hearth {
namespace {

const SamplingParameters kGreedy{.temperature = 0};

struct Answer : GenerationObserver {
  bool on_token(int32_t token) noexcept override {
    tokens.push_back(token);
    return static_cast<int64_t>(tokens.size()) < stop_after;
  }
  bool behind() const noexcept override { return resting; }
  int32_t forced_token() noexcept override {
    return tokens.size() < forced.size() ? forced[tokens.size()] : -1;
  }
  void on_finish(FinishReason why, const GenerationUsage& cost) noexcept override {
    EXPECT_FALSE(finished);
    finished = true;
    reason = why;
    usage = cost;
  }

  std::vector<int32_t> tokens;
  std::vector<int32_t> forced;
  int64_t stop_after = 1000;
  bool resting = false;
  bool finished = false;
  FinishReason reason{};
  GenerationUsage usage;
};

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    backend_ = new CpuBackend({.threads = 2, .kernel_set = ""});
    model_ = new Model("tests/checkpoints/int4-mixed", *backend_, {});
  }
  static void TearDownTestSuite() {
    delete model_;
    delete backend_;
  }

  static const Model& model() { return *model_; }

  static std::vector<int32_t> random_tokens(std::mt19937& random, size_t count) {
    std::vector<int32_t> tokens(count);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 900);
    return tokens;
  }

  /// The answer of an engine that has nothing else to do and keeps nothing.
  static std::vector<int32_t> alone(const std::vector<int32_t>& prompt, int64_t max_tokens) {
    Engine engine(model(), {.context_tokens = 2048, .chunk_tokens = 256});
    Answer answer;
    engine.submit(
        {.prompt = prompt, .max_tokens = max_tokens, .sampling = kGreedy, .observer = &answer});
    engine.run();
    EXPECT_TRUE(answer.finished);
    return answer.tokens;
  }

  static void expect_all_free(Engine& engine) {
    EXPECT_EQ(engine.running(), 0);
    EXPECT_EQ(engine.waiting(), 0);
    while (engine.prefixes().drop()) {
    }
    EXPECT_EQ(engine.pool().free_pages(), static_cast<int64_t>(engine.pool().total_pages()));
  }

 private:
  static inline CpuBackend* backend_ = nullptr;
  static inline Model* model_ = nullptr;
};

TEST_F(EngineTest, TogetherIsAsAlone) {
  std::mt19937 random(3);
  struct Case {
    std::vector<int32_t> prompt;
    int64_t max_tokens;
    int64_t cancel_after;  // steps; negative: never
    std::vector<int64_t> boundaries = {};
    std::vector<int32_t> alone = {};
  };
  const auto shared = random_tokens(random, 90);
  std::vector<Case> cases;
  for (int i = 0; i < 24; ++i) {
    Case one{.prompt = random_tokens(random, 1 + random() % 150),
             .max_tokens = 1 + static_cast<int64_t>(random() % 20),
             .cancel_after = i % 6 == 5 ? static_cast<int64_t>(random() % 20) : -1};
    if (i % 3 == 0) {
      one.prompt.insert(one.prompt.begin(), shared.begin(), shared.end());
      one.boundaries = {64, 90};
    }
    one.alone = alone(one.prompt, one.max_tokens);
    cases.push_back(std::move(one));
  }
  for (const int64_t sequences : {2, 5}) {
    for (const int64_t chunk : {16, 100}) {
      std::shuffle(cases.begin(), cases.end(), random);
      Engine engine(
          model(),
          {.context_tokens = 1024, .sequences = sequences, .snapshots = 3, .chunk_tokens = chunk});
      std::vector<Answer> answers(cases.size());
      std::multimap<int64_t, RequestId> cancellations;
      for (size_t i = 0; i < cases.size(); ++i) {
        const RequestId id = engine.submit({.prompt = cases[i].prompt,
                                            .boundaries = cases[i].boundaries,
                                            .max_tokens = cases[i].max_tokens,
                                            .sampling = kGreedy,
                                            .observer = &answers[i]});
        if (cases[i].cancel_after >= 0) cancellations.emplace(cases[i].cancel_after, id);
      }
      int64_t cached = 0;
      for (int64_t step = 0; engine.step(); ++step) {
        const auto [first, last] = cancellations.equal_range(step);
        for (auto it = first; it != last; ++it) engine.cancel(it->second);
      }
      for (size_t i = 0; i < cases.size(); ++i) {
        const Answer& answer = answers[i];
        ASSERT_TRUE(answer.finished);
        cached += answer.usage.cached_tokens;
        if (answer.reason != FinishReason::kCancelled) {
          EXPECT_EQ(answer.tokens, cases[i].alone) << "request " << i;
        } else {
          ASSERT_LE(answer.tokens.size(), cases[i].alone.size());
          EXPECT_TRUE(
              std::equal(answer.tokens.begin(), answer.tokens.end(), cases[i].alone.begin()));
        }
      }
      EXPECT_GT(cached, 0);
      expect_all_free(engine);
    }
  }
}

TEST_F(EngineTest, ASecondTurnComputesOnlyWhatIsNew) {
  std::mt19937 random(5);
  Engine engine(model(), {.context_tokens = 1024, .snapshots = 4, .chunk_tokens = 64});
  auto prompt = random_tokens(random, 100);
  Answer first;
  engine.submit({.prompt = prompt,
                 .boundaries = {95},
                 .max_tokens = 10,
                 .sampling = kGreedy,
                 .observer = &first});
  engine.run();
  EXPECT_EQ(first.usage.cached_tokens, 0);
  EXPECT_EQ(first.usage.known_tokens, 0);

  // The prompt goes on after the answer: all of it is known but its last token.
  auto next = prompt;
  next.insert(next.end(), first.tokens.begin(), first.tokens.end());
  const auto more = random_tokens(random, 20);
  next.insert(next.end(), more.begin(), more.end());
  Answer second;
  engine.submit({.prompt = next, .max_tokens = 5, .sampling = kGreedy, .observer = &second});
  engine.run();
  const int64_t computed = static_cast<int64_t>(prompt.size() + first.tokens.size()) - 1;
  EXPECT_EQ(second.usage.cached_tokens, computed);
  EXPECT_EQ(second.tokens, alone(next, 5));

  // The answer is rewritten, as reasoning is when it is stripped: the boundary before it is known.
  auto stripped = prompt;
  stripped.resize(97);
  stripped.insert(stripped.end(), more.begin(), more.end());
  Answer third;
  engine.submit({.prompt = stripped, .max_tokens = 5, .sampling = kGreedy, .observer = &third});
  engine.run();
  EXPECT_EQ(third.usage.cached_tokens, 95);
  EXPECT_EQ(third.usage.known_tokens, 97);
  EXPECT_EQ(third.tokens, alone(stripped, 5));
  expect_all_free(engine);
}

TEST_F(EngineTest, WhereAPromptPartedOthersGoOn) {
  Engine engine(model(), {.context_tokens = 1024, .snapshots = 8, .chunk_tokens = 256});
  std::mt19937 random(9);
  const std::vector<int32_t> start = random_tokens(random, 150);
  const std::vector<int32_t> rest = random_tokens(random, 60);
  std::vector<int64_t> cached;
  for (const int32_t date : {901, 902, 903}) {
    std::vector<int32_t> prompt = start;
    prompt.push_back(date);
    prompt.insert(prompt.end(), rest.begin(), rest.end());
    Answer answer;
    engine.submit({.prompt = prompt, .max_tokens = 5, .sampling = kGreedy, .observer = &answer});
    engine.run();
    cached.push_back(answer.usage.cached_tokens);
    EXPECT_EQ(answer.tokens, alone(prompt, 5));
  }
  EXPECT_EQ(cached, (std::vector<int64_t>{0, 0, 150}));
  expect_all_free(engine);
}

TEST_F(EngineTest, KeptStatesGiveWayToRequests) {
  std::mt19937 random(6);
  // Four pages: one request alone needs them all.
  Engine engine(model(),
                {.context_tokens = 256, .sequences = 2, .snapshots = 8, .chunk_tokens = 64});
  for (int round = 0; round < 6; ++round) {
    const auto prompt = random_tokens(random, 200);
    Answer answer;
    engine.submit({.prompt = prompt,
                   .boundaries = {10, 70, 130},
                   .max_tokens = 56,
                   .sampling = kGreedy,
                   .observer = &answer});
    engine.run();
    EXPECT_TRUE(answer.finished);
    EXPECT_TRUE(answer.reason != FinishReason::kLength || answer.tokens.size() == 56);
  }
  expect_all_free(engine);
}

TEST_F(EngineTest, ObserversStopAndForce) {
  std::mt19937 random(7);
  const auto prompt = random_tokens(random, 30);
  Engine engine(model(), {.context_tokens = 256});
  Answer stopped;
  stopped.stop_after = 3;
  engine.submit({.prompt = prompt, .max_tokens = 50, .sampling = kGreedy, .observer = &stopped});
  Answer forced;
  forced.forced = {11, 12};
  engine.submit({.prompt = prompt, .max_tokens = 2, .sampling = kGreedy, .observer = &forced});
  engine.run();
  EXPECT_EQ(stopped.reason, FinishReason::kStopped);
  EXPECT_EQ(stopped.tokens.size(), 3u);
  EXPECT_EQ(forced.tokens, (std::vector<int32_t>{11, 12}));
  EXPECT_EQ(forced.reason, FinishReason::kLength);
}

TEST_F(EngineTest, ARequestThatCannotRunIsRefused) {
  Engine engine(model(), {.context_tokens = 128});
  Answer answer;
  const auto submit = [&](std::vector<int32_t> prompt, int64_t max_tokens, double temperature) {
    engine.submit({.prompt = std::move(prompt),
                   .max_tokens = max_tokens,
                   .sampling = {.temperature = temperature},
                   .observer = &answer});
  };
  EXPECT_THROW(submit({}, 1, 0), UsageError);
  EXPECT_THROW(submit({1}, -1, 0), UsageError);
  EXPECT_THROW(submit({1}, 128, 0), UsageError);
  EXPECT_THROW(submit({1}, int64_t{1} << 62, 0), UsageError);
  EXPECT_THROW(submit({1 << 20}, 1, 0), UsageError);
  EXPECT_THROW(submit({-1}, 1, 0), UsageError);
  EXPECT_THROW(submit({1}, 1, -1), UsageError);
  EXPECT_FALSE(engine.step());
  engine.cancel(17);  // nobody's
}

TEST_F(EngineTest, WhoIsBehindRestsAlone) {
  std::mt19937 random(8);
  const auto prompt = random_tokens(random, 40);
  Engine engine(model(), {.context_tokens = 512, .sequences = 2, .chunk_tokens = 16});
  Answer slow;
  Answer quick;
  engine.submit({.prompt = prompt, .max_tokens = 20, .sampling = kGreedy, .observer = &slow});
  engine.step();
  slow.resting = true;  // within its prompt
  engine.submit({.prompt = prompt, .max_tokens = 20, .sampling = kGreedy, .observer = &quick});
  engine.run();
  EXPECT_TRUE(quick.finished);
  EXPECT_FALSE(slow.finished);
  EXPECT_TRUE(slow.tokens.empty());
  EXPECT_EQ(engine.running(), 1);
  slow.resting = false;
  while (slow.tokens.size() < 2) ASSERT_TRUE(engine.step());
  slow.resting = true;  // within its answer
  EXPECT_FALSE(engine.step());
  slow.resting = false;
  engine.run();
  EXPECT_EQ(slow.tokens, quick.tokens);
  EXPECT_EQ(slow.tokens, alone(prompt, 20));
  expect_all_free(engine);
}

TEST_F(EngineTest, PrioritiesGoFirstThenClientsWithFewPlaces) {
  Engine engine(model(), {.context_tokens = 512, .sequences = 2});
  struct Case {
    int64_t priority;
    uint64_t client;
  };
  // Both places go to the first client; who is next when the second of them is free?
  const std::vector<Case> cases = {{0, 1}, {0, 1}, {0, 1}, {0, 2}, {0, 2}, {-1, 3}, {5, 1}};
  std::vector<Answer> answers(cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    engine.submit({.prompt = {7, 8},
                   .max_tokens = i == 0 ? 100 : 1,
                   .sampling = kGreedy,
                   .observer = &answers[i],
                   .priority = cases[i].priority,
                   .client = cases[i].client,
                   .ends_at_end_token = false});
    if (i == 1) {
      EXPECT_TRUE(engine.step());
    }
  }
  std::vector<size_t> order;
  while (order.size() < cases.size() - 2) {
    ASSERT_TRUE(engine.step());
    for (size_t i = 2; i < answers.size(); ++i) {
      const bool seen = std::find(order.begin(), order.end(), i) != order.end();
      if (answers[i].finished && !seen) order.push_back(i);
    }
  }
  EXPECT_EQ(order, (std::vector<size_t>{6, 3, 4, 2, 5}));
  engine.run();
  expect_all_free(engine);
}

TEST_F(EngineTest, TheEndTokenCanBeOneOfMany) {
  Engine engine(model(), {.context_tokens = 256});
  const int32_t end = model().config().eos_tokens.front();
  Answer ended;
  Answer goes_on;
  ended.forced = goes_on.forced = {11, end, 12};
  engine.submit({.prompt = {1, 2}, .max_tokens = 3, .sampling = kGreedy, .observer = &ended});
  engine.submit({.prompt = {1, 2},
                 .max_tokens = 3,
                 .sampling = kGreedy,
                 .observer = &goes_on,
                 .ends_at_end_token = false});
  engine.run();
  EXPECT_EQ(ended.tokens, (std::vector<int32_t>{11}));
  EXPECT_EQ(ended.reason, FinishReason::kEndToken);
  EXPECT_EQ(goes_on.tokens, goes_on.forced);
  EXPECT_EQ(goes_on.reason, FinishReason::kLength);
}

TEST_F(EngineTest, APromptAloneIsComputedAndKept) {
  std::mt19937 random(9);
  const auto prompt = random_tokens(random, 50);
  Engine engine(model(), {.context_tokens = 256, .snapshots = 2, .chunk_tokens = 16});
  Answer nothing;
  engine.submit({.prompt = prompt, .max_tokens = 0, .sampling = kGreedy, .observer = &nothing});
  engine.run();
  EXPECT_EQ(nothing.reason, FinishReason::kLength);
  EXPECT_TRUE(nothing.tokens.empty());
  auto next = prompt;
  next.push_back(3);
  Answer answer;
  engine.submit({.prompt = next, .max_tokens = 4, .sampling = kGreedy, .observer = &answer});
  engine.run();
  EXPECT_EQ(answer.usage.cached_tokens, 50);
  EXPECT_EQ(answer.tokens, alone(next, 4));
  expect_all_free(engine);
}

TEST_F(EngineTest, CountsTheExpertsOfEveryTokenAndLayer) {
  Engine engine(model(), {.context_tokens = 512, .chunk_tokens = 64});
  std::mt19937 random(3);
  Answer answer;
  engine.submit({.prompt = random_tokens(random, 100),
                 .max_tokens = 11,
                 .sampling = kGreedy,
                 .observer = &answer});
  engine.run();
  // The last token of an answer goes through no layer.
  const uint64_t tokens = 100 + answer.tokens.size() - 1;
  const ExpertUses& uses = engine.expert_uses();
  ASSERT_EQ(uses.layers(), model().config().layer_count());
  for (int64_t layer = 0; layer < uses.layers(); ++layer) {
    uint64_t choices = 0;
    for (int64_t expert = 0; expert < uses.experts(); ++expert) {
      EXPECT_LE(uses.count(layer, expert), tokens);
      choices += uses.count(layer, expert);
    }
    EXPECT_EQ(choices, tokens * static_cast<uint64_t>(model().config().experts_per_token));
  }
}

TEST_F(EngineTest, AQueuedRequestCanBeCancelled) {
  Engine engine(model(), {.context_tokens = 256});
  Answer first;
  Answer second;
  engine.submit({.prompt = {1, 2, 3}, .max_tokens = 4, .sampling = kGreedy, .observer = &first});
  const RequestId id =
      engine.submit({.prompt = {4, 5}, .max_tokens = 4, .sampling = kGreedy, .observer = &second});
  engine.step();
  engine.cancel(id);
  EXPECT_TRUE(second.finished);
  EXPECT_EQ(second.reason, FinishReason::kCancelled);
  engine.run();
  EXPECT_TRUE(first.finished);
  expect_all_free(engine);
}

}  // namespace
}  // namespace hearth
