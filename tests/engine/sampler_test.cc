// What the sampler does token by token; its distributions have a test of their own.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "tests/engine/reference_sampler.h"

namespace hearth {
namespace {

using testing::five_logits;
using testing::random_logits;
using testing::ReferenceHistory;
using testing::sampler_after;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Logits after penalties are seen through the temperature: one token at a time against a neutral
/// one, greedily.
double penalised(const SamplingParameters& parameters, const ReferenceHistory& history,
                 int32_t token, float logit) {
  double low = -2000;
  double high = 2000;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    // Token 0 is in no history; it wins as soon as it is likelier.
    std::vector<float> logits(10, -kInfinity);
    logits[0] = static_cast<float>(middle);
    logits[static_cast<size_t>(token)] = logit;
    SamplingParameters greedy = parameters;
    greedy.temperature = 0;
    (sampler_after(greedy, 10, history).sample(logits) == 0 ? high : low) = middle;
  }
  return high;
}

TEST(Sampler, RepetitionPenaltyDividesAndMultiplies) {
  const ReferenceHistory history{.prompt = {1}, .answer = {2, 2}};
  EXPECT_NEAR(penalised({.repetition_penalty = 2}, history, 1, 3.0f), 1.5, 1e-4);
  EXPECT_NEAR(penalised({.repetition_penalty = 2}, history, 2, -3.0f), -6, 1e-4);
  EXPECT_NEAR(penalised({.repetition_penalty = 2}, history, 3, 3.0f), 3, 1e-4);
}

TEST(Sampler, PresenceAndFrequencyCountTheAnswerAlone) {
  const ReferenceHistory history{.prompt = {1, 1}, .answer = {2, 2, 2}};
  EXPECT_NEAR(penalised({.presence_penalty = 0.5}, history, 1, 3.0f), 3, 1e-4);
  EXPECT_NEAR(penalised({.presence_penalty = 0.5}, history, 2, 3.0f), 2.5, 1e-4);
  EXPECT_NEAR(penalised({.frequency_penalty = 0.5}, history, 1, 3.0f), 3, 1e-4);
  EXPECT_NEAR(penalised({.frequency_penalty = 0.5}, history, 2, 3.0f), 1.5, 1e-4);
}

TEST(Sampler, DryOnHandWorkedExamples) {
  const SamplingParameters dry{.dry_multiplier = 0.8, .dry_base = 1.75, .dry_allowed_length = 2};
  // 1 2 3 4 … 1 2 3: 4 would make a repetition of three tokens longer: 0.8 · 1.75^(3 - 2).
  EXPECT_NEAR(penalised(dry, {{1, 2, 3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5 - 1.4, 1e-4);
  EXPECT_NEAR(penalised(dry, {{1, 2, 3, 4, 5}, {1, 2, 3}}, 5, 5.0f), 5, 1e-4);
  // Two repeated tokens: the allowed length is reached, 0.8 · 1.75^0. One: nothing yet.
  EXPECT_NEAR(penalised(dry, {{2, 3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5 - 0.8, 1e-4);
  EXPECT_NEAR(penalised(dry, {{3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5, 1e-4);
  // The longest repetition counts: 4 followed 2 3 and 1 2 3.
  EXPECT_NEAR(penalised(dry, {{2, 3, 4, 1, 2, 3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5 - 1.4, 1e-4);
  // A run repeats itself: of 7 7 7 7 the last three are also those one before.
  EXPECT_NEAR(penalised(dry, {{}, {7, 7, 7, 7}}, 7, 5.0f), 5 - 1.4, 1e-4);
  // A breaker at 2 leaves a repetition of one token; a breaker as the next token is exempt.
  SamplingParameters broken = dry;
  broken.dry_breaker_tokens = {2};
  EXPECT_NEAR(penalised(broken, {{1, 2, 3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5, 1e-4);
  broken.dry_breaker_tokens = {4};
  EXPECT_NEAR(penalised(broken, {{1, 2, 3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5, 1e-4);
  // The window hides the start of the first of the two, and then more of it.
  SamplingParameters narrow = dry;
  narrow.dry_penalty_last_n = 7;
  EXPECT_NEAR(penalised(narrow, {{1, 2, 3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5 - 0.8, 1e-4);
  narrow.dry_penalty_last_n = 6;
  EXPECT_NEAR(penalised(narrow, {{1, 2, 3, 4, 5}, {1, 2, 3}}, 4, 5.0f), 5, 1e-4);
}

TEST(Sampler, DryStaysFiniteOverLongRepetitions) {
  Sampler sampler({.temperature = 0, .dry_multiplier = 1, .dry_base = 100}, 3, 5000);
  for (int i = 0; i < 5000; ++i) sampler.accept(2);
  EXPECT_EQ(sampler.sample(std::vector<float>{-1e8f, -2e8f, 5}), 0);
}

TEST(Sampler, ABiasOf100DecidesAndOfMinus100Bans) {
  const std::vector<float> logits = random_logits(50, 15, 4);
  const int32_t likeliest = argmax(logits);
  Sampler forced({.logit_bias = {{17, 100}}, .seed = 1}, 50);
  Sampler banned({.logit_bias = {{likeliest, -100}}, .seed = 1}, 50);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(forced.sample(logits), 17);
    EXPECT_NE(banned.sample(logits), likeliest);
  }
  EXPECT_THROW(Sampler({.logit_bias = {{50, 1}}}, 50), UsageError);
}

TEST(Sampler, TemperatureZeroIsGreedy) {
  EXPECT_EQ(Sampler({.temperature = 0}, 5).sample(five_logits()), 1);
  EXPECT_EQ(argmax(std::vector<float>{1, 3, 3, 2}), 1);  // of equals, the lowest
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> logits = random_logits(1000 + seed, seed, 3);
    const auto largest = std::max_element(logits.begin(), logits.end()) - logits.begin();
    const int64_t vocab = static_cast<int64_t>(logits.size());
    EXPECT_EQ(Sampler({.temperature = 0, .seed = seed}, vocab).sample(logits), largest);
    EXPECT_EQ(Sampler({.temperature = 1e-300, .seed = seed}, vocab).sample(logits), largest);
    EXPECT_EQ(Sampler({.top_k = 1, .seed = seed}, vocab).sample(logits), largest);
    EXPECT_EQ(Sampler({.min_p = 1, .seed = seed}, vocab).sample(logits), largest);
  }
}

TEST(Sampler, IdsAreValidWhateverTheLogits) {
  const std::vector<std::vector<float>> cases = {
      {kNaN, kNaN, kNaN},        {-kInfinity, -kInfinity, -kInfinity},
      {kInfinity, 1, kInfinity}, {kNaN, 2, -kInfinity},
      {3e38f, -3e38f, 0},        {kNaN, kNaN, -kInfinity},
      {-kInfinity, kNaN, -3e38f}};
  const std::vector<SamplingParameters> settings = {
      {},
      {.temperature = 0},
      {.top_k = 2},
      {.top_p = 0.5},
      {.min_p = 0.5},
      {.typical_p = 0.5},
      {.temperature = 100, .repetition_penalty = 0.001},
      {.temperature = 0.01, .logit_bias = {{0, 100}, {1, -100}}}};
  for (const SamplingParameters& p : settings) {
    for (const std::vector<float>& logits : cases) {
      Sampler sampler = sampler_after(p, 3, {{0, 1}, {2}});
      for (int i = 0; i < 20; ++i) {
        const int32_t token = sampler.sample(logits);
        ASSERT_GE(token, 0);
        ASSERT_LT(token, 3);
      }
    }
  }
  EXPECT_EQ(argmax(cases[3]), 1);
  EXPECT_EQ(Sampler({.seed = 1}, 3).sample(cases[3]), 1);
  EXPECT_EQ(Sampler({.seed = 1}, 3).sample(cases[6]), 2);
  // Nothing with a logit is allowed: the first allowed one.
  const std::vector<uint32_t> mask = {0b100};
  EXPECT_EQ(Sampler({.seed = 1}, 3).sample(cases[0], mask), 2);
}

TEST(Sampler, AVocabularyOfOneHasOneAnswer) {
  for (const SamplingParameters& p : std::vector<SamplingParameters>{
           {}, {.temperature = 0}, {.top_k = 5}, {.top_p = 0.1}, {.typical_p = 0.1}}) {
    EXPECT_EQ(Sampler(p, 1).sample(std::vector<float>{-4}), 0);
  }
}

std::vector<int32_t> drawn(Sampler sampler, int count = 50) {
  const std::vector<float> logits = random_logits(1000, 17, 2);
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(sampler.sample(logits));
  return tokens;
}

TEST(Sampler, TheSeedDecidesAndAnswersCountOnFromIt) {
  const Sampler nine({.seed = 9}, 1000);
  EXPECT_EQ(drawn(nine), drawn(nine));  // copies
  EXPECT_EQ(drawn(nine), drawn(Sampler({.seed = 9}, 1000)));
  EXPECT_NE(drawn(nine), drawn(Sampler({.seed = 10}, 1000)));
  Sampler second = nine;
  second.seed_answer(1);
  EXPECT_EQ(drawn(second), drawn(Sampler({.seed = 10}, 1000)));
}

TEST(Sampler, RefusesParametersOutOfRange) {
  EXPECT_THROW(Sampler({.temperature = -0.1}, 5), UsageError);
  EXPECT_THROW(Sampler({.top_k = -1}, 5), UsageError);
  EXPECT_THROW(Sampler({.top_p = 0}, 5), UsageError);
  EXPECT_THROW(Sampler({.top_p = 1.1}, 5), UsageError);
  EXPECT_THROW(Sampler({.min_p = 1.1}, 5), UsageError);
  EXPECT_THROW(Sampler({.temperature = kNaN}, 5), UsageError);
}

}  // namespace
}  // namespace hearth
