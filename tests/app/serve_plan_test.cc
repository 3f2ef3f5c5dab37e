// A server's sizes: what its places and its kept states take is within what they may.
#include "app/serve_plan.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth {
namespace {

class ServePlanTest : public ::testing::Test {
 protected:
  ModelConfig config_ = load_model_config("tests/checkpoints/int4-mixed");
  StateShape shape_ = state_shape_of(config_, {});
  int64_t state_bytes_ = shape_.fixed_floats() * 4;

  ServePlan plan(const ServeSizes& sizes, int64_t available) const {
    return plan_server(sizes, config_, {}, static_cast<uint64_t>(available));
  }
};

TEST_F(ServePlanTest, EveryPlaceHasItsWholeContext) {
  const ServePlan chosen = plan({.context_tokens = 1000, .parallel = 3}, int64_t{1} << 40);
  EXPECT_EQ(chosen.context_tokens, 1000);
  EXPECT_EQ(chosen.needs.sequences, 3);
  EXPECT_EQ(shape_.pages(chosen.needs.context_tokens), 3 * shape_.pages(1000));
  EXPECT_GT(chosen.needs.logit_rows, 3);
}

TEST_F(ServePlanTest, PlacesAreAsManyAsFit) {
  const int64_t place = state_bytes_ + shape_.pages(4096) * shape_.page_bytes();
  EXPECT_EQ(plan({}, 4 * 100 * place).needs.sequences, 4);
  EXPECT_EQ(plan({}, 4 * 2 * place).needs.sequences, 2);
  EXPECT_EQ(plan({}, place).needs.sequences, 1);
  EXPECT_EQ(plan({}, place).context_tokens, 4096) << "what the model has";
}

TEST_F(ServePlanTest, KeptStatesStayWithinTheirBudget) {
  const int64_t plenty = int64_t{1} << 40;
  const int64_t mib = 1 << 20;
  EXPECT_EQ(plan({.prefix_cache_mib = 0}, plenty).needs.snapshots, 0);
  EXPECT_EQ(plan({.prefix_cache_mib = 10}, plenty).needs.snapshots, 10 * mib / state_bytes_);
  EXPECT_LE(plan({}, 80 * mib).needs.snapshots * state_bytes_, 10 * mib);
}

TEST_F(ServePlanTest, AContextBeyondTheModelIsRefused) {
  EXPECT_THROW(plan({.context_tokens = 4097}, int64_t{1} << 40), UsageError);
}

}  // namespace
}  // namespace hearth
