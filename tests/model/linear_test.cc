// Linear layers of the CPU backend: however their work is shared, the same bits.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "model/requantise.h"
#include "tests/support/dequantise.h"

namespace hearth {
namespace {

constexpr int64_t kCols = 256;

/// A head of random floats, re-quantised to 8 bits, and what it was.
struct Head {
  Head(int64_t rows, Backend& backend) : values(static_cast<size_t>(rows * kCols)) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random);
    weights.head = {.layout = QuantLayout::kF32, .rows = rows, .cols = kCols};
    weights.head.weights = values.data();
    copies = RequantisedCopies(weights, HeadBits::k8, DenseBits::kCheckpoint, backend);
  }

  const QuantizedMatrix& matrix() const { return weights.head; }

  std::vector<float> values;
  ModelWeights weights;
  RequantisedCopies copies;
};

std::vector<float> inputs(int64_t tokens) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(tokens * kCols));
  for (float& value : x) value = normal(random);
  return x;
}

/// [tokens, rows]
std::vector<float> product(CpuBackend& backend, const QuantizedMatrix& matrix,
                           std::span<const float> x) {
  const int64_t tokens = static_cast<int64_t>(x.size()) / kCols;
  BackendLimits limits;
  limits.tokens = tokens;
  limits.columns = kCols;
  backend.reserve(limits);
  std::vector<float> y(static_cast<size_t>(tokens * matrix.rows));
  const LinearTask task{.matrix = &matrix, .output = y.data(), .output_stride = matrix.rows};
  backend.linear({&task, 1}, x.data(), tokens);
  return y;
}

/// Rows of 512 lie one slice behind the other, the last slice has fewer.
TEST(LinearTest, ASlicedMatrixIsTheMatrix) {
  CpuBackend backend({.threads = 2, .kernel_set = ""});
  const Head head(8192 + 100, backend);
  ASSERT_GT(head.matrix().slice_rows, 0);
  const std::vector<float> values = testing::dequantise(head.matrix());
  for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], head.values[i], 0.03) << i;

  const std::vector<float> x = inputs(1);
  const std::vector<float> y = product(backend, head.matrix(), x);
  for (size_t n = 0; n < y.size(); ++n) {
    double expected = 0;
    for (size_t k = 0; k < kCols; ++k) {
      expected += static_cast<double>(values[n * kCols + k]) * static_cast<double>(x[k]);
    }
    ASSERT_NEAR(static_cast<double>(y[n]), expected, 0.5) << n;  // 8-bit inputs, |y| about 16
  }
}

/// One token is shared by inputs or by slices, a few by long panels, many by panels that a cache
/// holds; with ten threads these have other sizes.
TEST(LinearTest, TheSameBitsAloneInABatchAndOnAnyThreads) {
  CpuBackend alone({.threads = 1, .kernel_set = ""});
  CpuBackend many({.threads = 3, .kernel_set = ""});
  CpuBackend more({.threads = 10, .kernel_set = ""});
  constexpr int64_t kTokens = 60;
  const std::vector<float> x = inputs(kTokens);
  for (const int64_t rows : {100, 1000, 2100, 8192 + 100}) {
    const Head head(rows, alone);
    const std::vector<float> batch = product(many, head.matrix(), x);
    EXPECT_EQ(product(alone, head.matrix(), x), batch);
    EXPECT_EQ(product(more, head.matrix(), x), batch);
    for (const int64_t tokens : {1, 2, 5, 24}) {
      const std::span<const float> part(x.data(), static_cast<size_t>(tokens * kCols));
      const std::vector<float> few = product(many, head.matrix(), part);
      EXPECT_EQ(product(alone, head.matrix(), part), few);
      EXPECT_TRUE(std::equal(few.begin(), few.end(), batch.begin())) << rows << " " << tokens;
    }
  }
}

}  // namespace
}  // namespace hearth
