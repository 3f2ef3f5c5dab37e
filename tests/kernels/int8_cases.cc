// Packed weights times int8 activations.
//
// A block's integer sum must be exact: |Σ level·a| < 2^24, so it has no rounding as a float either.
// Then, over B blocks, y = Σ s_b·d_b takes one rounding for s_b and at most one product and one
// addition a block, so that |y − exact| ≤ (B + 2)·u·Σ|s_b·d_b| to first order. One integer off
// by one is seen, mostly, since that norm is a few thousand times a scale.
// With unit scales everything is exact, and so is what is expected.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "tests/kernels/cases.h"
#include "tests/kernels/matrices.h"
#include "tests/kernels/products.h"

namespace hearth::kernel_check {
namespace {

enum class Inputs : uint8_t { kRandom, kLargest, kSmallest, kExtremes, kOutlier, kSparse };

/// Tokens in plain form.
struct Int8Tokens {
  int64_t cols = 0;
  int64_t block = 0;
  std::vector<std::vector<int8_t>> codes;  // [tokens][cols]
  std::vector<std::vector<float>> scales;  // [tokens][cols/block]
};

int8_t draw_activation(Inputs inputs, Random& random) {
  switch (inputs) {
    case Inputs::kRandom: return static_cast<int8_t>(random.integer(-127, 127));
    case Inputs::kLargest: return 127;
    case Inputs::kSmallest: return -127;
    case Inputs::kExtremes: return random.coin() ? 127 : -127;
    case Inputs::kOutlier: return static_cast<int8_t>(random.integer(-1, 1));
    case Inputs::kSparse: return 0;
  }
  return 0;
}

Int8Tokens draw_tokens(int tokens, int64_t cols, int64_t block, Inputs inputs, bool unit_scales,
                       Random& random) {
  Int8Tokens result{.cols = cols, .block = block, .codes = {}, .scales = {}};
  for (int t = 0; t < tokens; ++t) {
    std::vector<int8_t> codes(static_cast<size_t>(cols));
    for (int8_t& code : codes) code = draw_activation(inputs, random);
    if (inputs == Inputs::kOutlier || inputs == Inputs::kSparse) {
      codes[static_cast<size_t>(random.integer(0, cols - 1))] = 127;
    }
    std::vector<float> scales(static_cast<size_t>(cols / block));
    for (size_t b = 0; b < scales.size(); ++b) {
      scales[b] =
          unit_scales ? 0.5f : static_cast<float>(std::pow(10.0, -5.0 + 4.0 * random.uniform()));
      if (!unit_scales && random.integer(0, 7) == 0) {  // a block of zeros
        scales[b] = 0.0f;
        const auto first = codes.begin() + static_cast<int64_t>(b) * block;
        std::fill(first, first + block, int8_t{0});
      }
    }
    result.codes.push_back(codes);
    result.scales.push_back(scales);
  }
  return result;
}

/// Tokens [first, first + count) as a kernel wants them.
class GuardedTile {
 public:
  GuardedTile(const Int8Tokens& tokens, int bits, int first, int count, Edge edge)
      : block_(tokens.block),
        count_(count),
        words_(tokens.cols / 4 * count, edge),
        scales_(tokens.cols / tokens.block * count, edge),
        sums_(tokens.cols / tokens.block * count, edge) {
    for (int t = 0; t < count; ++t) {
      const auto& codes = tokens.codes[static_cast<size_t>(first + t)];
      for (int64_t i = 0; i < tokens.cols / 4; ++i) {
        words_[i * count + t] = pack(
            &codes[static_cast<size_t>(bits == 4 ? i / 2 * 8 + i % 2 : i * 4)], bits == 4 ? 2 : 1);
      }
      for (int64_t b = 0; b < tokens.cols / tokens.block; ++b) {
        const auto begin = codes.begin() + b * tokens.block;
        sums_[b * count + t] = std::accumulate(begin, begin + tokens.block, 0);
        scales_[b * count + t] =
            tokens.scales[static_cast<size_t>(first + t)][static_cast<size_t>(b)];
      }
    }
    words_.seal();
    scales_.seal();
    sums_.seal();
  }

  ActivationTile view() const {
    return {words_.data(), scales_.data(), sums_.data(), block_, count_};
  }

 private:
  static int32_t pack(const int8_t* codes, int step) {
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) word |= static_cast<uint32_t>(uint8_t(codes[i * step])) << (8 * i);
    return static_cast<int32_t>(word);
  }

  int64_t block_;
  int count_;
  Guarded<int32_t> words_;
  Guarded<float> scales_;
  Guarded<int32_t> sums_;
};

void expect(const PackedMatrix& matrix, const Int8Tokens& tokens, ProductCase& product) {
  const int64_t blocks = tokens.cols / tokens.block;
  for (int t = 0; t < product.tokens; ++t) {
    const auto& codes = tokens.codes[static_cast<size_t>(t)];
    for (int64_t n = 0; n < product.rows; ++n) {
      double sum = 0;
      double norm = 0;
      for (int64_t b = 0; b < blocks; ++b) {
        int64_t dot = 0;
        for (int64_t k = b * tokens.block; k < (b + 1) * tokens.block; ++k) {
          dot += matrix.level(n, k) * codes[static_cast<size_t>(k)];
        }
        const double scale =
            matrix.scale(n, b * tokens.block / matrix.shape().group) *
            static_cast<double>(tokens.scales[static_cast<size_t>(t)][static_cast<size_t>(b)]);
        sum += scale * static_cast<double>(dot);
        norm += std::fabs(scale * static_cast<double>(dot));
      }
      product.expected.push_back(sum);
      product.norm.push_back(norm);
      const bool exact = matrix.shape().scales == Scales::kUnit;
      product.tolerance.push_back(
          exact ? 0.0 : static_cast<double>(blocks + 2) * kRoundoff * norm + 1e-40);
    }
  }
}

void run_case(MatmulInt8 kernel, const PackedShape& shape, int tokens, Inputs inputs, Check& check,
              Random& random) {
  const int64_t block = std::gcd(shape.group, int64_t{128});
  check.start_case(
      fmt::format("{}, {} tokens, inputs {}", describe(shape), tokens, static_cast<int>(inputs)));
  const PackedMatrix matrix(shape, random);
  const Int8Tokens source =
      draw_tokens(tokens, shape.cols, block, inputs, shape.scales == Scales::kUnit, random);
  ProductCase product{
      .rows = shape.rows, .tokens = tokens, .run = {}, .expected = {}, .tolerance = {}, .norm = {}};
  product.run = [&](int first, int count, int64_t begin, int64_t end, const ProductOutput& output) {
    const GuardedTile tile(source, shape.bits, first, count, shape.edge);
    const QuantizedMatrix view = matrix.view();
    ActivationTile input = tile.view();
    input.next = random.coin() ? &view : nullptr;
    input.next_row = end < shape.rows ? end : 0;
    if (random.coin()) return kernel(view, begin, end, input, output);
    // Once to leave a copy of the weights behind, then with what the copy holds.
    Guarded<uint32_t> copy(shape.cols * shape.bits / 32 * (end - begin), shape.edge);
    input.copy = copy.data();
    input.tiles = 3;
    for (input.tile = 0; input.tile < input.tiles; ++input.tile) {
      kernel(view, begin, end, input, output);
    }
    check.require(copy.intact(), "wrote beside the copy of the weights");
  };
  expect(matrix, source, product);
  check_product(product, check, random);
}

struct Size {
  int64_t rows;
  int64_t cols;
  int64_t group;
};

/// The two steps of one token's product: the sums of all blocks, from calls that share them, then
/// rows in two parts. The product itself is checked elsewhere; this has to have its bits.
void run_steps(const KernelSet& set, const PackedShape& shape, Inputs inputs, Check& check,
               Random& random) {
  const int64_t block = std::gcd(shape.group, int64_t{128});
  const int64_t blocks = shape.cols / block;
  check.start_case(fmt::format("{}, inputs {}", describe(shape), static_cast<int>(inputs)));
  const PackedMatrix matrix(shape, random);
  const QuantizedMatrix view = matrix.view();
  const Int8Tokens source =
      draw_tokens(1, shape.cols, block, inputs, shape.scales == Scales::kUnit, random);
  const GuardedTile tile(source, shape.bits, 0, 1, shape.edge);
  const ActivationTile input = tile.view();
  std::vector<float> expected(static_cast<size_t>(shape.rows));
  int8_product(set, view.layout)(view, 0, shape.rows, input, {expected.data(), shape.rows});

  Guarded<int32_t> sums(blocks * shape.rows, shape.edge);
  const int64_t split = random.integer(0, blocks);
  int8_block_sums(set, view.layout)(view, split, blocks, input, sums.data() + split * shape.rows);
  int8_block_sums(set, view.layout)(view, 0, split, input, sums.data());
  check.require(sums.intact(), "wrote beside the sums");
  sums.seal();
  const int64_t part = random.integer(0, shape.rows);
  for (const auto& [begin, end] : {std::pair(int64_t{0}, part), std::pair(part, shape.rows)}) {
    Guarded<float> y(end - begin, shape.edge);
    int8_scale_sums(set, view.layout)(view, begin, end, input, sums.data(), y.data());
    check.require(y.intact(), "wrote beside its rows");
    for (int64_t n = begin; n < end; ++n) {
      check.same("in two steps", 0, n, y[n - begin], expected[static_cast<size_t>(n)]);
    }
  }
}

/// Groups of 8 … whole rows; fewer, as many and more rows than vectors and panels hold.
constexpr Size kSizes[] = {{1, 32, 32},    {3, 64, 32},     {7, 128, 128},  {8, 256, 64},
                           {9, 128, 32},   {15, 96, 96},    {16, 128, 16},  {17, 64, 64},
                           {24, 40, 8},    {31, 256, 128},  {33, 384, 384}, {40, 512, 512},
                           {64, 512, 128}, {100, 384, 128}, {129, 128, 64}, {1048, 256, 128}};

void run_all(MatmulInt8 kernel, int bits, Check& check) {
  Random random(static_cast<uint64_t>(bits));
  constexpr Codes kCodes[] = {Codes::kRandom, Codes::kRandom, Codes::kSmallest, Codes::kLargest,
                              Codes::kExtremes};
  constexpr Inputs kInputs[] = {Inputs::kRandom,   Inputs::kRandom,   Inputs::kLargest,
                                Inputs::kSmallest, Inputs::kExtremes, Inputs::kOutlier,
                                Inputs::kSparse};
  constexpr Zeros kZeros[] = {Zeros::kSymmetric, Zeros::kOffset0, Zeros::kOffset1};
  for (const Size& size : kSizes) {
    if (check.quick() && size.rows > 100) continue;
    for (int tokens = 1; tokens <= kMaxTileTokens; tokens += check.quick() ? 4 : 1) {
      for (const Scales scales : {Scales::kRandom, Scales::kUnit}) {
        PackedShape shape{.bits = bits, .rows = size.rows, .cols = size.cols, .group = size.group};
        shape.codes = random.pick(kCodes);
        shape.scales = scales;
        shape.zeros = size.rows % (32 / bits) == 0 ? random.pick(kZeros) : Zeros::kSymmetric;
        shape.scale_type = random.coin() ? ScaleType::kF16 : ScaleType::kBf16;
        shape.edge = random.integer(0, 3) == 0 ? Edge::kBegin : Edge::kEnd;
        run_case(kernel, shape, tokens, random.pick(kInputs), check, random);
      }
    }
  }
  // As wide as the model, where sums are largest.
  for (const Codes codes : {Codes::kRandom, Codes::kSmallest, Codes::kLargest}) {
    PackedShape shape{.bits = bits, .rows = 24, .cols = check.quick() ? 512 : 2048, .group = 128};
    shape.codes = codes;
    for (const Inputs inputs : {Inputs::kRandom, Inputs::kLargest, Inputs::kSmallest}) {
      for (const int tokens : {1, 4}) run_case(kernel, shape, tokens, inputs, check, random);
    }
  }
}

void run_all_steps(const KernelSet& set, int bits, Check& check) {
  Random random(static_cast<uint64_t>(bits) + 100);
  constexpr Zeros kZeros[] = {Zeros::kSymmetric, Zeros::kOffset0, Zeros::kOffset1};
  for (const Size& size : kSizes) {
    for (const Inputs inputs : {Inputs::kRandom, Inputs::kExtremes, Inputs::kLargest}) {
      PackedShape shape{.bits = bits, .rows = size.rows, .cols = size.cols, .group = size.group};
      shape.codes = inputs == Inputs::kRandom ? Codes::kRandom : Codes::kExtremes;
      shape.zeros = size.rows % (32 / bits) == 0 ? random.pick(kZeros) : Zeros::kSymmetric;
      shape.scale_type = random.coin() ? ScaleType::kF16 : ScaleType::kBf16;
      shape.edge = random.coin() ? Edge::kBegin : Edge::kEnd;
      run_steps(set, shape, inputs, check, random);
    }
  }
}

}  // namespace

void check_w4_steps(const KernelSet& set, Check& check) { run_all_steps(set, 4, check); }
void check_w8_steps(const KernelSet& set, Check& check) { run_all_steps(set, 8, check); }
void check_w4_int8(const KernelSet& set, Check& check) { run_all(set.matmul_w4_int8, 4, check); }
void check_w8_int8(const KernelSet& set, Check& check) { run_all(set.matmul_w8_int8, 8, check); }

void check_interleave(const KernelSet& set, Check& check) {
  Random random(7);
  for (const int64_t words : {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 48, 65, 512}) {
    for (int tokens = 1; tokens <= kMaxTileTokens; ++tokens) {
      check.start_case(fmt::format("{} words, {} tokens", words, tokens));
      const Edge edge = random.coin() ? Edge::kBegin : Edge::kEnd;
      std::vector<Guarded<int32_t>> rows;
      const int32_t* pointers[kMaxTileTokens];
      for (int t = 0; t < tokens; ++t) {
        Guarded<int32_t>& row = rows.emplace_back(words, edge);
        for (int64_t i = 0; i < words; ++i) row[i] = static_cast<int32_t>(i * 100 + t);
        row.seal();
        pointers[t] = row.data();
      }
      Guarded<int32_t> tile(words * tokens, edge);
      set.interleave(pointers, tokens, words, tile.data());
      bool right = tile.intact();
      for (int64_t i = 0; i < words * tokens; ++i) {
        right = right && tile[i] == static_cast<int32_t>(i / tokens * 100 + i % tokens);
      }
      check.require(right, "a word is not in its place");
    }
  }
}

}  // namespace hearth::kernel_check
