// A step takes no memory from the system once the workspace and the states exist.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "model/model.h"
#include "tests/support/allocation_counter.h"

namespace hearth {
namespace {

using testing::allocations;

/// Runs the batch; returns how often memory was asked for.
int64_t allocations_of(const Model& model, std::span<const Segment> batch, Workspace& workspace) {
  const int64_t before = allocations();
  for (const Segment& segment : batch) {
    if (!segment.state->reserve(static_cast<int64_t>(segment.tokens.size()))) return -1;
  }
  model.forward(batch, workspace);
  return allocations() - before;
}

TEST(Allocation, TheCounterCounts) {
  const int64_t before = allocations();
  std::vector<int> memory(100);
  EXPECT_EQ(memory[7], 0);
  EXPECT_GT(allocations(), before);
}

class StepTest : public ::testing::TestWithParam<ModelOptions> {};

TEST_P(StepTest, AllocatesNothing) {
  CpuBackend backend({.threads = 2, .kernel_set = ""});
  const Model model("tests/checkpoints/int4-mixed", backend, GetParam());
  KvPagePool pool(model.state_shape().page_bytes(), 60);
  Workspace workspace(model, 256, 3, 4);
  std::vector<SequenceState> states;
  for (int i = 0; i < 3; ++i) states.emplace_back(model.state_shape(), pool);
  std::vector<int32_t> tokens(256);
  std::iota(tokens.begin(), tokens.end(), 3);
  const std::span<const int32_t> all(tokens);

  // The very first pass, a page's edge, odd sizes, single tokens, and batches of them.
  // Late enough, attention is split over the context.
  for (const size_t count : {256, 1, 63, 100, 1, 1, 30, 256, 256, 256, 256, 3}) {
    const Segment prefill{&states[0], all.first(count), 1};
    EXPECT_EQ(allocations_of(model, {&prefill, 1}, workspace), 0) << count << " tokens";
  }
  for (int step = 0; step < 70; ++step) {
    const Segment batch[] = {{&states[0], all.first(1), 1},
                             {&states[1], all.subspan(5, 1), 1},
                             {&states[2], all.subspan(9, step % 7 + 1), 2}};
    EXPECT_EQ(allocations_of(model, batch, workspace), 0) << "step " << step;
  }
}

std::string option_name(const ModelOptions& options) {
  if (options.exact) return "exact";
  return options.kv == KvType::kInt8 ? "int8_kv" : "int8";
}

INSTANTIATE_TEST_SUITE_P(Precisions, StepTest,
                         ::testing::Values(ModelOptions{.exact = true}, ModelOptions{},
                                           ModelOptions{.kv = KvType::kInt8}),
                         [](const auto& test) { return option_name(test.param); });

}  // namespace
}  // namespace hearth
