#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"

namespace hearth {
namespace {

constexpr int kDraws = 20000;

/// ln of the probabilities 0.4, 0.3, 0.15, 0.1, 0.05 in another order.
std::vector<float> logits() {
  std::vector<float> values;
  for (const double p : {0.1, 0.4, 0.05, 0.3, 0.15}) {
    values.push_back(static_cast<float>(std::log(p)));
  }
  return values;
}

std::vector<double> frequencies(const SamplingParameters& parameters) {
  Sampler sampler(parameters, 5);
  std::vector<double> counts(5);
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(sampler.sample(logits()))];
  for (double& count : counts) count /= kDraws;
  return counts;
}

void expect_distribution(const SamplingParameters& parameters, std::vector<double> expected) {
  const std::vector<double> observed = frequencies(parameters);
  for (size_t i = 0; i < expected.size(); ++i) {
    // Five standard deviations of a binomial.
    const double spread = 5 * std::sqrt(expected[i] * (1 - expected[i]) / kDraws);
    EXPECT_NEAR(observed[i], expected[i], spread) << "token " << i;
  }
}

TEST(Sampler, TemperatureZeroIsGreedy) {
  Sampler sampler({.temperature = 0}, 5);
  EXPECT_EQ(sampler.sample(logits()), 1);
  EXPECT_EQ(argmax(std::vector<float>{1, 3, 3, 2}), 1);  // of equals, the lowest
}

TEST(Sampler, DrawsTheSoftmax) { expect_distribution({.seed = 1}, {0.1, 0.4, 0.05, 0.3, 0.15}); }

TEST(Sampler, TemperatureSharpensAndFlattens) {
  double total = 0;
  std::vector<double> expected = {0.1, 0.4, 0.05, 0.3, 0.15};
  for (double& p : expected) total += p = p * p;
  for (double& p : expected) p /= total;
  expect_distribution({.temperature = 0.5, .seed = 2}, expected);
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  expect_distribution({.top_k = 2, .seed = 3}, {0, 0.4 / 0.7, 0, 0.3 / 0.7, 0});
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  expect_distribution({.top_p = 0.75, .seed = 4}, {0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85});
  expect_distribution({.top_p = 0.01, .seed = 4}, {0, 1, 0, 0, 0});
}

TEST(Sampler, MinPKeepsWhatIsLikelyBesideTheLikeliest) {
  expect_distribution({.min_p = 0.3, .seed = 5}, {0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85});
}

TEST(Sampler, TheSeedDecides) {
  const auto draw = [](uint64_t seed) {
    Sampler sampler({.seed = seed}, 5);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(logits()));
    return tokens;
  };
  EXPECT_EQ(draw(9), draw(9));
  EXPECT_NE(draw(9), draw(10));
}

TEST(Sampler, RefusesParametersOutOfRange) {
  EXPECT_THROW(Sampler({.temperature = -0.1}, 5), UsageError);
  EXPECT_THROW(Sampler({.top_k = -1}, 5), UsageError);
  EXPECT_THROW(Sampler({.top_p = 0}, 5), UsageError);
  EXPECT_THROW(Sampler({.top_p = 1.1}, 5), UsageError);
  EXPECT_THROW(Sampler({.min_p = 1}, 5), UsageError);
}

}  // namespace
}  // namespace hearth
