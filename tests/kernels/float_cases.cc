// Products with float activations.
//
// However K products are added up, |y − exact| ≤ (K + 2)·u·Σ|w·x| to first order (Higham, Accuracy
// and Stability of Numerical Algorithms, 3.1). That is wide for long rows, so that a wrong value
// could hide; inputs of one nonzero value leave it nowhere to hide.
#include <fmt/core.h>

#include <cmath>
#include <vector>

#include "tests/kernels/cases.h"
#include "tests/kernels/matrices.h"
#include "tests/kernels/products.h"

namespace hearth::kernel_check {
namespace {

enum class FloatInputs : uint8_t { kRandom, kConstant, kOneHot, kOutlier, kTiny };

/// Tokens' rows, each in guarded memory of its own.
class FloatTokens {
 public:
  FloatTokens(int tokens, int64_t cols, FloatInputs inputs, Edge edge, Random& random) {
    for (int t = 0; t < tokens; ++t) {
      Guarded<float> row(cols, edge);
      for (float& x : row) {
        switch (inputs) {
          case FloatInputs::kConstant: x = 0.1f; break;
          case FloatInputs::kOneHot: x = 0.0f; break;
          case FloatInputs::kTiny: x = random.normal() * 1e-38f; break;
          case FloatInputs::kRandom:
          case FloatInputs::kOutlier: x = random.normal(); break;
        }
      }
      if (inputs == FloatInputs::kOneHot) row[random.integer(0, cols - 1)] = -0.75f;
      if (inputs == FloatInputs::kOutlier) row[random.integer(0, cols - 1)] = 5e4f;
      row.seal();
      rows_.push_back(std::move(row));
      pointers_.push_back(rows_.back().data());
    }
  }

  FloatTile view(int first, int count) const { return {pointers_.data() + first, count}; }
  double value(int token, int64_t k) const {
    return static_cast<double>(pointers_[static_cast<size_t>(token)][k]);
  }

 private:
  std::vector<Guarded<float>> rows_;
  std::vector<const float*> pointers_;
};

/// weight(n, k) is the exact weight.
template <typename Weight>
void expect(const FloatTokens& tokens, int64_t cols, const Weight& weight, ProductCase& product) {
  for (int t = 0; t < product.tokens; ++t) {
    for (int64_t n = 0; n < product.rows; ++n) {
      double sum = 0;
      double norm = 0;
      for (int64_t k = 0; k < cols; ++k) {
        const double term = weight(n, k) * tokens.value(t, k);
        sum += term;
        norm += std::fabs(term);
      }
      product.expected.push_back(sum);
      product.norm.push_back(norm);
      // Sums of subnormal products lose up to half of the smallest float each.
      product.tolerance.push_back(static_cast<double>(cols + 2) * (kRoundoff * norm + 1e-45));
    }
  }
}

template <typename Weight>
void run_case(MatmulFloat kernel, const QuantizedMatrix& matrix, const Weight& weight, int tokens,
              FloatInputs inputs, Edge edge, Check& check, Random& random) {
  const FloatTokens source(tokens, matrix.cols, inputs, edge, random);
  ProductCase product{.rows = matrix.rows,
                      .tokens = tokens,
                      .run = {},
                      .expected = {},
                      .tolerance = {},
                      .norm = {}};
  product.run = [&](int first, int count, int64_t begin, int64_t end, const ProductOutput& output) {
    kernel(matrix, begin, end, source.view(first, count), output);
  };
  expect(source, matrix.cols, weight, product);
  check_product(product, check, random);
}

constexpr FloatInputs kFloatInputs[] = {
    FloatInputs::kRandom, FloatInputs::kRandom,  FloatInputs::kConstant, FloatInputs::kOneHot,
    FloatInputs::kOneHot, FloatInputs::kOutlier, FloatInputs::kTiny};

struct FloatSize {
  int64_t rows;
  int64_t cols;
  int64_t group;
};

constexpr FloatSize kPackedSizes[] = {
    {1, 32, 32}, {7, 64, 32},    {8, 128, 64},   {16, 96, 96},   {17, 128, 128},
    {24, 40, 8}, {33, 256, 256}, {40, 512, 128}, {129, 128, 64}, {64, 2048, 128}};

void run_packed(MatmulFloat kernel, int bits, Check& check) {
  Random random(static_cast<uint64_t>(bits) + 100);
  constexpr Codes kCodes[] = {Codes::kRandom, Codes::kRandom, Codes::kExtremes};
  constexpr Zeros kZeros[] = {Zeros::kSymmetric, Zeros::kOffset0, Zeros::kOffset1};
  for (const FloatSize& size : kPackedSizes) {
    if (check.quick() && size.rows * size.cols > 10000) continue;
    for (int tokens = 1; tokens <= kMaxTileTokens; tokens += check.quick() ? 4 : 1) {
      PackedShape shape{.bits = bits, .rows = size.rows, .cols = size.cols, .group = size.group};
      shape.codes = random.pick(kCodes);
      shape.zeros = size.rows % (32 / bits) == 0 ? random.pick(kZeros) : Zeros::kSymmetric;
      shape.scale_type = random.coin() ? ScaleType::kF16 : ScaleType::kBf16;
      shape.edge = random.coin() ? Edge::kEnd : Edge::kBegin;
      const FloatInputs inputs = random.pick(kFloatInputs);
      check.start_case(fmt::format("{}, {} tokens, inputs {}", describe(shape), tokens,
                                   static_cast<int>(inputs)));
      const PackedMatrix matrix(shape, random);
      const auto weight = [&](int64_t n, int64_t k) {
        return matrix.scale(n, k / shape.group) * matrix.level(n, k);
      };
      run_case(kernel, matrix.view(), weight, tokens, inputs, shape.edge, check, random);
    }
  }
}

constexpr FloatSize kPlainSizes[] = {
    {1, 1, 0},  {3, 7, 0},    {5, 33, 0},  {8, 16, 0},    {9, 15, 0},   {16, 100, 0}, {17, 129, 0},
    {31, 8, 0}, {40, 257, 0}, {65, 63, 0}, {12, 2048, 0}, {1, 2048, 0}, {23, 511, 0}};

void run_plain(MatmulFloat kernel, QuantLayout layout, Check& check) {
  Random random(static_cast<uint64_t>(layout) + 200);
  for (const FloatSize& size : kPlainSizes) {
    for (int tokens = 1; tokens <= kMaxTileTokens; tokens += check.quick() ? 4 : 1) {
      const Edge edge = random.coin() ? Edge::kEnd : Edge::kBegin;
      const FloatInputs inputs = random.pick(kFloatInputs);
      check.start_case(fmt::format("[{} x {}] {}, {} tokens, inputs {}", size.rows, size.cols,
                                   edge == Edge::kEnd ? "at the end" : "at the start", tokens,
                                   static_cast<int>(inputs)));
      const PlainMatrix matrix(layout, size.rows, size.cols, edge, random);
      const auto weight = [&](int64_t n, int64_t k) { return matrix.value(n, k); };
      run_case(kernel, matrix.view(), weight, tokens, inputs, edge, check, random);
    }
  }
}

}  // namespace

void check_w4_float(const KernelSet& set, Check& check) {
  run_packed(set.matmul_w4_float, 4, check);
}
void check_w8_float(const KernelSet& set, Check& check) {
  run_packed(set.matmul_w8_float, 8, check);
}
void check_bf16(const KernelSet& set, Check& check) {
  run_plain(set.matmul_bf16, QuantLayout::kBf16, check);
}
void check_f16(const KernelSet& set, Check& check) {
  run_plain(set.matmul_f16, QuantLayout::kF16, check);
}
void check_f32(const KernelSet& set, Check& check) {
  run_plain(set.matmul_f32, QuantLayout::kF32, check);
}

}  // namespace hearth::kernel_check
