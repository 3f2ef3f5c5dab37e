// Requests that decode together take no memory from the system.
#include <gtest/gtest.h>

#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "engine/engine.h"
#include "tests/support/allocation_counter.h"

namespace hearth {
namespace {

using testing::allocations;

struct Listener : GenerationObserver {
  bool on_token(int32_t /*token*/) noexcept override {
    ++tokens;
    return true;
  }
  void on_finish(FinishReason /*reason*/, const GenerationUsage& /*usage*/) noexcept override {}

  int tokens = 0;
};

TEST(EngineAllocation, StepsThatDecodeAllocateNothing) {
  CpuBackend backend({.threads = 2, .kernel_set = ""});
  const Model model("tests/checkpoints/int4-mixed", backend, {});
  Engine engine(model,
                {.context_tokens = 1024, .sequences = 3, .snapshots = 2, .chunk_tokens = 64});
  SamplingParameters sampling{.temperature = 1, .top_k = 20, .repetition_penalty = 1.1};
  // No answer ends on its own: its state would be kept then, with its tokens.
  for (const int32_t token : model.config().eos_tokens) {
    sampling.logit_bias.push_back({token, -100});
  }
  std::vector<Listener> listeners(3);
  for (int32_t i = 0; i < 3; ++i) {
    engine.submit({.prompt = std::vector<int32_t>(static_cast<size_t>(50 + 30 * i), 5 + i),
                   .max_tokens = 150,
                   .sampling = sampling,
                   .observer = &listeners[static_cast<size_t>(i)]});
  }
  while (listeners.back().tokens < 2) ASSERT_TRUE(engine.step());
  const int64_t before = allocations();
  for (int i = 0; i < 100; ++i) engine.step();
  EXPECT_EQ(allocations() - before, 0);
  EXPECT_EQ(engine.running(), 3);
}

}  // namespace
}  // namespace hearth
