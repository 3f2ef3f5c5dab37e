#include "engine/prefill_pacer.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

/// What passes take on average while a long prompt is computed, in passes that only decode.
double mean_pass(PrefillPacer pacer, double prompt_pass) {
  for (int i = 0; i < 10; ++i) pacer.after_pass(true, false, 1);
  double seconds = 0;
  constexpr int kPasses = 20'000;
  for (int i = 0; i < kPasses; ++i) {
    const bool prompt = pacer.prompts_next();
    pacer.after_pass(true, prompt, prompt ? prompt_pass : 1);
    seconds += prompt ? prompt_pass : 1;
  }
  return seconds / kPasses;
}

TEST(PrefillPacer, WhoDecodesLosesItsShareAndNoMore) {
  for (const double slowdown : {0.1, 0.3, 1.0}) {
    EXPECT_LE(mean_pass(PrefillPacer(slowdown), 40), 1.01 * (1 + slowdown));
    EXPECT_GE(mean_pass(PrefillPacer(slowdown), 40), 0.97 * (1 + slowdown)) << "prompts do run";
    EXPECT_NEAR(mean_pass(PrefillPacer(slowdown), 1.05), 1.05, 1e-9) << "nobody notices those";
  }
  EXPECT_DOUBLE_EQ(mean_pass(PrefillPacer(), 40), 40);
}

TEST(PrefillPacer, PromptsThatNobodyWaitsForOweNothing) {
  PrefillPacer pacer(0.3);
  pacer.after_pass(true, false, 1);
  pacer.after_pass(true, true, 100);
  EXPECT_FALSE(pacer.prompts_next());
  pacer.after_pass(false, true, 100);
  EXPECT_TRUE(pacer.prompts_next());
}

}  // namespace
}  // namespace hearth
