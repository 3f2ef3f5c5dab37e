#include "os/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "os/topology.h"

namespace hearth {
namespace {

class WorkerPoolTest : public testing::TestWithParam<int> {
 protected:
  WorkerPool pool_{std::vector<int>(static_cast<size_t>(GetParam()), 0), false};
};

// What the workers write is plain memory: the thread sanitizer sees a loop that ends too early.
TEST_P(WorkerPoolTest, EveryIndexOnce) {
  for (const int64_t count : {0, 1, 2, 3, 7, 64, 1000}) {
    std::vector<int> calls(static_cast<size_t>(count));
    pool_.parallel_for(count, [&](int64_t index, int worker) {
      EXPECT_GE(worker, 0);
      EXPECT_LT(worker, pool_.size());
      ++calls[static_cast<size_t>(index)];
    });
    EXPECT_EQ(calls, std::vector<int>(static_cast<size_t>(count), 1));
  }
}

TEST_P(WorkerPoolTest, LoopsFollowEachOther) {
  std::vector<int64_t> values(16, 0);
  for (int round = 0; round < 2000; ++round) {
    pool_.parallel_for(16,
                       [&](int64_t index, int) { values[static_cast<size_t>(index)] += index; });
    // Reads what other workers wrote in the loop before.
    pool_.parallel_for(8, [&](int64_t index, int) {
      std::swap(values[static_cast<size_t>(index)], values[static_cast<size_t>(15 - index)]);
    });
  }
  int64_t sum = 0;
  for (const int64_t value : values) sum += value;
  EXPECT_EQ(sum, 2000 * 120);
}

TEST_P(WorkerPoolTest, WakesSleepingWorkers) {
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // past the spinning
    std::atomic<int> sum = 0;
    pool_.parallel_for(100, [&](int64_t index, int) { sum += static_cast<int>(index); });
    EXPECT_EQ(sum, 4950);
  }
}

// Else the next pool would have one processor for all its workers.
TEST(WorkerPoolPinning, EndsWithThePool) {
  const std::vector<int> before = physical_cores();
  {
    const WorkerPool pool(before, true);
    EXPECT_EQ(physical_cores(), std::vector<int>{before.front()});
  }
  EXPECT_EQ(physical_cores(), before);
}

INSTANTIATE_TEST_SUITE_P(Threads, WorkerPoolTest, testing::Values(1, 2, 3, 8));

}  // namespace
}  // namespace hearth
