// Choosing tokens takes no memory from the system once a sampler exists.
#include <gtest/gtest.h>

#include <vector>

#include "engine/sampler.h"
#include "tests/support/allocation_counter.h"

namespace hearth {
namespace {

using testing::allocations;

constexpr int64_t kVocab = 1000;
constexpr int64_t kContext = 300;

int64_t allocations_with(const SamplingParameters& parameters) {
  std::vector<float> logits(kVocab);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i * 7919 % 1000) / 100;
  const std::vector<uint32_t> mask(kVocab / 32 + 1, 0x55555555u);
  const std::vector<int32_t> prompt(100, 3);
  Sampler sampler(parameters, kVocab, kContext);
  const int64_t before = allocations();
  sampler.accept_prompt(prompt);
  for (int i = 0; i < 100; ++i) sampler.accept(sampler.sample(logits));
  for (int i = 0; i < 100; ++i) sampler.accept(sampler.sample(logits, mask));
  return allocations() - before;
}

TEST(SamplerAllocation, TheCounterCounts) {
  const int64_t before = allocations();
  std::vector<int> memory(100);
  EXPECT_EQ(memory[7], 0);
  EXPECT_GT(allocations(), before);
}

TEST(SamplerAllocation, ChoosingTokensAllocatesNothing) {
  EXPECT_EQ(allocations_with({}), 0);
  EXPECT_EQ(allocations_with({.temperature = 0}), 0);
  EXPECT_EQ(allocations_with({.temperature = 0.7, .top_k = 20, .top_p = 0.8}), 0);
  EXPECT_EQ(allocations_with({.top_k = 900, .top_p = 0.99, .min_p = 0.01, .typical_p = 0.9}), 0);
  EXPECT_EQ(allocations_with({.repetition_penalty = 1.1,
                              .presence_penalty = 0.5,
                              .frequency_penalty = 0.1,
                              .repeat_last_n = 20,
                              .dry_multiplier = 0.8,
                              .logit_bias = {{1, 2}}}),
            0);
}

}  // namespace
}  // namespace hearth
