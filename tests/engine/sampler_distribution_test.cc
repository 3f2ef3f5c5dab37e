// Draws of the sampler against the definitions, by chi-square tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/constraint.h"
#include "engine/sampler.h"
#include "tests/engine/reference_sampler.h"

namespace hearth {
namespace {

using testing::five_logits;
using testing::random_logits;
using testing::reference_logits;
using testing::reference_probabilities;
using testing::ReferenceHistory;
using testing::sampler_after;

constexpr int kDraws = 120000;

/// Where a chi-square variable of `degrees` is exceeded with a probability of about 10^-6: the
/// approximation of Wilson and Hilferty at 4.75 standard deviations.
double chi_square_limit(double degrees) {
  const double spread = 2 / (9 * degrees);
  return degrees * std::pow(1 - spread + 4.75 * std::sqrt(spread), 3);
}

/// The seed is fixed, so a test that passes once always does.
void expect_distribution(Sampler sampler, const std::vector<float>& logits,
                         const std::vector<double>& expected,
                         std::span<const uint32_t> allowed = {}, int draws = kDraws) {
  std::vector<int64_t> counts(expected.size());
  for (int i = 0; i < draws; ++i) ++counts[static_cast<size_t>(sampler.sample(logits, allowed))];
  double statistic = 0;
  double rest_expected = 0;  // cells that are too small for the approximation
  double rest_observed = 0;
  int cells = 0;
  const auto add = [&](double observed, double mean) {
    statistic += (observed - mean) * (observed - mean) / mean;
    ++cells;
  };
  for (size_t i = 0; i < expected.size(); ++i) {
    const double mean = expected[i] * draws;
    const double observed = static_cast<double>(counts[i]);
    if (expected[i] == 0) {
      EXPECT_EQ(counts[i], 0) << "token " << i << " was to be filtered";
    }
    if (mean >= 10) {
      add(observed, mean);
    } else {
      rest_expected += mean;
      rest_observed += observed;
    }
  }
  if (rest_expected >= 10) {
    add(rest_observed, rest_expected);
  } else {
    EXPECT_LE(rest_observed, 40);
  }
  if (cells > 1) {
    EXPECT_LT(statistic, chi_square_limit(cells - 1));
  }
}

void expect_reference(const SamplingParameters& parameters, const std::vector<float>& logits) {
  expect_distribution(Sampler(parameters, static_cast<int64_t>(logits.size())), logits,
                      reference_probabilities({logits.begin(), logits.end()}, parameters));
}

TEST(SamplerDistribution, DrawsHandWorkedDistributions) {
  const auto expect = [](const SamplingParameters& parameters, std::vector<double> expected) {
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (double& p : expected) p /= total;
    expect_distribution(Sampler(parameters, 5), five_logits(), expected);
  };
  expect({.seed = 1}, {0.1, 0.4, 0.05, 0.3, 0.15});
  expect({.temperature = 0.5, .seed = 2}, {0.01, 0.16, 0.0025, 0.09, 0.0225});
  expect({.top_k = 2, .seed = 3}, {0, 0.4, 0, 0.3, 0});
  expect({.top_p = 0.75, .seed = 4}, {0, 0.4, 0, 0.3, 0.15});
  expect({.top_p = 0.01, .seed = 4}, {0, 1, 0, 0, 0});
  expect({.min_p = 0.3, .seed = 5}, {0, 0.4, 0, 0.3, 0.15});
  // The entropy is 1.392; -ln p is 2.303, 0.916, 2.996, 1.204, 1.897: 3, 1 and 4 are nearest.
  expect({.typical_p = 0.2, .seed = 6}, {0, 0, 0, 1, 0});
  expect({.typical_p = 0.6, .seed = 7}, {0, 0.4, 0, 0.3, 0});
  expect({.typical_p = 0.71, .seed = 7}, {0, 0.4, 0, 0.3, 0.15});
}

TEST(SamplerDistribution, DrawsWhatTheReferenceDrawsForEachFilter) {
  const std::vector<float> logits = random_logits(60, 11, 2);
  expect_reference({.seed = 1}, logits);
  expect_reference({.temperature = 0.3, .seed = 2}, logits);
  expect_reference({.temperature = 3, .seed = 3}, logits);
  expect_reference({.top_k = 1, .seed = 4}, logits);
  expect_reference({.top_k = 37, .seed = 5}, logits);
  expect_reference({.top_k = 59, .seed = 6}, logits);
  expect_reference({.top_k = 1000, .seed = 7}, logits);
  for (const double p : {0.05, 0.5, 0.9, 0.999}) {
    expect_reference({.top_p = p, .seed = 8}, logits);
    expect_reference({.typical_p = p, .seed = 9}, logits);
  }
  for (const double p : {0.001, 0.05, 0.5, 1.0}) expect_reference({.min_p = p, .seed = 10}, logits);
}

TEST(SamplerDistribution, DrawsWhatTheReferenceDrawsForCompositions) {
  const std::vector<float> logits = random_logits(80, 12, 2);
  expect_reference({.temperature = 0.7, .top_k = 20, .top_p = 0.8, .seed = 1}, logits);
  expect_reference({.temperature = 0.6, .top_k = 20, .top_p = 0.95, .seed = 2}, logits);
  expect_reference({.temperature = 1.5, .min_p = 0.1, .seed = 3}, logits);
  expect_reference({.temperature = 1.2, .top_p = 0.9, .min_p = 0.02, .seed = 4}, logits);
  expect_reference({.top_k = 50, .typical_p = 0.6, .seed = 5}, logits);
  expect_reference({.top_p = 0.95, .typical_p = 0.8, .seed = 6}, logits);
  expect_reference(
      {.temperature = 2, .top_k = 40, .top_p = 0.9, .min_p = 0.05, .typical_p = 0.9, .seed = 7},
      logits);
}

TEST(SamplerDistribution, DrawsFromAWholeVocabulary) {
  const std::vector<float> logits = random_logits(151936, 13, 3);
  const std::vector<SamplingParameters> settings = {
      {.temperature = 0.7, .top_k = 20, .top_p = 0.8, .seed = 1},
      {.temperature = 0.5, .top_p = 0.3, .seed = 2},
      {.temperature = 0.5, .top_k = 500, .typical_p = 0.5, .seed = 3}};
  for (const SamplingParameters& p : settings) {
    expect_distribution(Sampler(p, 151936), logits,
                        reference_probabilities({logits.begin(), logits.end()}, p), {}, 2000);
  }
}

TEST(SamplerDistribution, PenaltiesAreThoseOfTheReference) {
  const ReferenceHistory history{.prompt = {0, 1, 1, 2, 7, 8, 0, 1},
                                 .answer = {2, 3, 3, 3, 9, 0, 1, 2}};
  const std::vector<float> logits = random_logits(12, 14, 1.5);
  const auto expect = [&](SamplingParameters p) {
    p.seed = 21;
    expect_distribution(sampler_after(p, 12, history), logits,
                        reference_probabilities(reference_logits(logits, p, history), p));
  };
  expect({.repetition_penalty = 1.3});
  expect({.repetition_penalty = 0.7});
  expect({.presence_penalty = 0.8});
  expect({.frequency_penalty = 0.4});
  expect({.presence_penalty = -0.5, .frequency_penalty = -0.3});
  for (const int64_t window : {0, 1, 5, 8, 10, 16, 100}) {
    expect({.repetition_penalty = 1.5,
            .presence_penalty = 0.5,
            .frequency_penalty = 0.5,
            .repeat_last_n = window});
  }
  expect({.dry_multiplier = 0.8});
  expect({.dry_multiplier = 0.5, .dry_base = 1.2, .dry_allowed_length = 1});
  expect({.dry_multiplier = 0.5, .dry_allowed_length = 1, .dry_penalty_last_n = 9});
  expect({.dry_multiplier = 0.5, .dry_allowed_length = 1, .dry_breaker_tokens = {1, 3}});
  expect({.temperature = 0.8,
          .top_k = 9,
          .top_p = 0.95,
          .min_p = 0.01,
          .repetition_penalty = 1.2,
          .presence_penalty = 0.3,
          .dry_multiplier = 0.4,
          .logit_bias = {{4, 1.5}, {2, -0.5}}});
}

TEST(SamplerDistribution, EqualLogitsAreEquallyLikelyAndFiltersKeepTheFirst) {
  const std::vector<float> equal(8, 1.5f);
  expect_distribution(Sampler({.seed = 1}, 8), equal, std::vector<double>(8, 0.125));
  const std::vector<double> half = {0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0};
  expect_distribution(Sampler({.top_k = 4, .seed = 2}, 8), equal, half);
  expect_distribution(Sampler({.top_p = 0.5, .seed = 3}, 8), equal, half);
  expect_distribution(Sampler({.typical_p = 0.5, .seed = 4}, 8), equal, half);
}

/// A constraint that allows the multiples of a number.
class MultiplesOnly : public Constraint {
 public:
  MultiplesOnly(size_t factor, size_t vocab) : words_((vocab + 31) / 32) {
    for (size_t i = 0; i < vocab; i += factor) words_[i / 32] |= 1u << (i % 32);
  }
  std::span<const uint32_t> allowed() override { return words_; }
  void accept(int32_t token) override { accepted.push_back(token); }

  std::vector<int32_t> accepted;

 private:
  std::vector<uint32_t> words_;
};

TEST(SamplerDistribution, TheMaskActsBeforeEverythingElse) {
  const std::vector<float> logits = random_logits(100, 16, 2);
  MultiplesOnly constraint(7, 100);
  std::vector<double> masked(100, -std::numeric_limits<double>::infinity());
  for (size_t i = 0; i < 100; i += 7) masked[i] = logits[i];
  // Top-k keeps five of the allowed tokens, wherever they stand among all.
  const SamplingParameters p{.top_k = 5, .top_p = 0.9, .seed = 3};
  expect_distribution(Sampler(p, 100), logits, reference_probabilities(masked, p),
                      constraint.allowed());
  Sampler biased({.logit_bias = {{1, 100}}}, 100);
  Sampler greedy({.temperature = 0}, 100);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(biased.sample(logits, constraint.allowed()) % 7, 0);
    EXPECT_EQ(greedy.sample(logits, constraint.allowed()),
              std::max_element(masked.begin(), masked.end()) - masked.begin());
  }
}

}  // namespace
}  // namespace hearth
