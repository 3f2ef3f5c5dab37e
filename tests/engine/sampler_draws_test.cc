// Tokens that every machine draws from the same logits, recorded once; the time that a draw takes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "base/clock.h"
#include "engine/sampler.h"

namespace hearth {
namespace {

constexpr int64_t kVocab = 151936;

/// Sums of four uniform numbers, exact in floats, so that every machine has the same.
std::vector<float> exact_logits(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> logits(kVocab);
  for (float& logit : logits) {
    const uint64_t bits = random();
    uint64_t sum = 0;
    for (int i = 0; i < 4; ++i) sum += bits >> (16 * i) & 0xffff;
    logit = static_cast<float>(static_cast<int64_t>(sum) - 0x20000) / 0x4000;
  }
  // A few stand out.
  for (size_t i = 0; i < 40; ++i) logits[i * 3571] = 14 + static_cast<float>(i % 8) / 4;
  return logits;
}

struct Setting {
  const char* name;
  SamplingParameters parameters;
  uint64_t recorded;  // FNV-1a-64 of the tokens
};

std::vector<Setting> settings() {
  return {
      {"temperature 0.7, top-k 20, top-p 0.8",
       {.temperature = 0.7, .top_k = 20, .top_p = 0.8},
       0x2326d08a7e42e4f8},
      {"no filter", {}, 0x36c6461cab263d32},
      {"temperature 3, no filter", {.temperature = 3}, 0xef359ae3a1da3003},
      {"top-p 0.95", {.top_p = 0.95}, 0x19334c50e23a54ff},
      {"temperature 3, top-p 0.95", {.temperature = 3, .top_p = 0.95}, 0x3cb57c5b39cba3b1},
      {"min-p 0.05", {.min_p = 0.05}, 0xaab663237995f164},
      {"temperature 2, typical-p 0.9", {.temperature = 2, .typical_p = 0.9}, 0x5128e9999788da08},
      {"penalties and DRY over 4,000 tokens, top-k 20, top-p 0.95",
       {.top_k = 20,
        .top_p = 0.95,
        .repetition_penalty = 1.1,
        .presence_penalty = 0.5,
        .dry_multiplier = 0.8},
       0x05f05d8577d6ea22},
      {"greedy", {.temperature = 0}, 0x8f3d21ad038cd913},
  };
}

Sampler prepared(const Setting& setting) {
  SamplingParameters parameters = setting.parameters;
  parameters.seed = 42;
  Sampler sampler(parameters, kVocab, 5000);
  std::vector<int32_t> prompt(4000);
  for (size_t i = 0; i < prompt.size(); ++i) {
    prompt[i] = static_cast<int32_t>(i * i * 31 % 1000 * 7);
  }
  sampler.accept_prompt(prompt);
  return sampler;
}

TEST(SamplerDraws, AreTheRecordedOnesOnEveryMachine) {
  const std::vector<float> logits = exact_logits(1);
  for (const Setting& setting : settings()) {
    Sampler sampler = prepared(setting);
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < 30; ++i) {
      const int32_t token = sampler.sample(logits);
      sampler.accept(token);
      hash = (hash ^ static_cast<uint64_t>(token)) * 0x100000001b3u;
    }
    EXPECT_EQ(hash, setting.recorded) << setting.name << fmt::format(": 0x{:016x}", hash);
  }
}

TEST(SamplerDraws, TakeAFractionOfAMillisecond) {
  const std::vector<float> logits = exact_logits(1);
  for (const Setting& setting : settings()) {
    Sampler sampler = prepared(setting);
    std::vector<double> times;
    for (int i = 0; i < 40; ++i) {
      const Stopwatch clock;
      sampler.accept(sampler.sample(logits));
      times.push_back(clock.seconds() * 1e6);
    }
    std::sort(times.begin(), times.end());
    fmt::print("{:>7.0f} us at best, {:>7.0f} us median: {}\n", times[0], times[20], setting.name);
    // Far above what it takes, for slow machines; a full sort of the vocabulary takes longer.
    EXPECT_LT(times[0], 30000) << setting.name;
  }
}

}  // namespace
}  // namespace hearth
