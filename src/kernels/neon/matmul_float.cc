// Products with float activations.
//
// Packed weights: a vector holds 4 output rows; each k of a word becomes (code − zero) as a float
// and meets the activation of every token; a group's sum is scaled once.
//
//              n … n+3                 k of a word, one after the other:
//   k 0..7   [ word | word | … ]      [ code − zero | … ] · x[k], x[k] of each token a scalar
//
// Plain weights, row-major: a vector holds 4 consecutive inputs of one row; a tile of R rows × M
// tokens keeps one vector of sums each, added up across lanes at the end.
//
//   row n     [ k 0..3 | 4..7 | … ]    4 lanes, each the sum of every fourth product
//   row n+1   [ k 0..3 | 4..7 | … ]
//
// The order of additions is the same in every shape of tile.
#include "kernels/neon/kernels.h"
#include "kernels/neon/simd.h"

namespace hearth::neon {
namespace {

constexpr int kMostTokens = 4;

/// Adds a group's products of V vectors of rows; k0 is its first input.
template <int kBits, bool kWhole, int M, int V>
HEARTH_INLINE void add_group(const QuantizedMatrix& matrix, const uint32_t* words, int64_t k0,
                             int64_t left, const int32x4_t (&zeros)[V], const float* const* x,
                             float32x4_t (&parts)[V][M]) {
  constexpr int64_t kPerWord = 32 / kBits;
  const uint32x4_t code_mask = vdupq_n_u32((1u << kBits) - 1);
  for (int64_t k = k0; k < k0 + matrix.group_size; k += kPerWord, words += matrix.rows) {
    uint32x4_t word[V];
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) word[i] = load_words(words + i * kLanes, kWhole ? kLanes : left);
    for (int64_t j = 0; j < kPerWord; ++j) {
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) {
        const int32x4_t code = vreinterpretq_s32_u32(vandq_u32(word[i], code_mask));
        const float32x4_t weight = vcvtq_f32_s32(vsubq_s32(code, zeros[i]));
        word[i] = vshrq_n_u32(word[i], kBits);
#pragma GCC unroll 4
        for (int t = 0; t < M; ++t) parts[i][t] = vfmaq_n_f32(parts[i][t], weight, x[t][k + j]);
      }
    }
  }
}

/// V vectors of rows from n on; `left` rows are left where they are not whole, V is 1 then.
template <int kBits, bool kWhole, int M, int V>
void packed_rows(const QuantizedMatrix& matrix, int64_t n, int64_t left, const float* const* x,
                 float* y, int64_t stride) {
  const uint32_t* words = static_cast<const uint32_t*>(matrix.weights) + n;
  const int64_t group_words = matrix.group_size * kBits / 32 * matrix.rows;
  float32x4_t sums[V][M];
  for (int i = 0; i < V; ++i) {
    for (int t = 0; t < M; ++t) sums[i][t] = vdupq_n_f32(0.0f);
  }
  for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
    int32x4_t zeros[V];
    float32x4_t parts[V][M];
    for (int i = 0; i < V; ++i) {
      zeros[i] = load_zeros(matrix, kBits, group, n + i * kLanes, left);
      for (int t = 0; t < M; ++t) parts[i][t] = vdupq_n_f32(0.0f);
    }
    add_group<kBits, kWhole>(matrix, words + group * group_words, group * matrix.group_size, left,
                             zeros, x, parts);
    for (int i = 0; i < V; ++i) {
      const float32x4_t scales = load_scales(matrix.scales + group * matrix.rows + n + i * kLanes,
                                             matrix.scale_type, left);
      for (int t = 0; t < M; ++t) sums[i][t] = vfmaq_f32(sums[i][t], scales, parts[i][t]);
    }
  }
  for (int i = 0; i < V; ++i) {
    for (int t = 0; t < M; ++t) store_floats(y + t * stride + i * kLanes, sums[i][t], left);
  }
}

template <int kBits, int M>
void packed_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const float* const* x, float* y, int64_t stride) {
  constexpr int V = 4;
  int64_t n = row_begin;
  for (; n + V * kLanes <= row_end; n += V * kLanes) {
    packed_rows<kBits, true, M, V>(matrix, n, kLanes, x, y + n - row_begin, stride);
  }
  for (; n < row_end; n += kLanes) {
    packed_rows<kBits, false, M, 1>(matrix, n, lanes_left(row_end - n), x, y + n - row_begin,
                                    stride);
  }
}

struct Bf16 {
  using Element = uint16_t;
  static HEARTH_INLINE float32x4_t load(const uint16_t* p, int64_t left) {
    return widen_bf16(load_halves(p, left));
  }
};

struct F16 {
  using Element = uint16_t;
  static HEARTH_INLINE float32x4_t load(const uint16_t* p, int64_t left) {
    return widen_f16(load_halves(p, left));
  }
};

struct F32 {
  using Element = float;
  static HEARTH_INLINE float32x4_t load(const float* p, int64_t left) {
    return load_floats(p, left);
  }
};

/// Adds the products of inputs [k, k + left), at most 4.
template <typename Type, int R, int M>
HEARTH_INLINE void add_inputs(const typename Type::Element* rows, int64_t cols, int64_t k,
                              int64_t left, const float* const* x, float32x4_t (&sums)[R][M]) {
  float32x4_t inputs[M];
#pragma GCC unroll 4
  for (int t = 0; t < M; ++t) inputs[t] = load_floats(x[t] + k, left);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const float32x4_t weights = Type::load(rows + r * cols + k, left);
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) sums[r][t] = vfmaq_f32(sums[r][t], weights, inputs[t]);
  }
}

template <typename Type, int M, int R>
void plain_rows(const QuantizedMatrix& matrix, int64_t n, const float* const* x, float* y,
                int64_t stride) {
  const auto* rows = static_cast<const typename Type::Element*>(matrix.weights) + n * matrix.cols;
  float32x4_t sums[R][M];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < M; ++t) sums[r][t] = vdupq_n_f32(0.0f);
  }
  int64_t k = 0;
  for (; k + kLanes <= matrix.cols; k += kLanes) {
    add_inputs<Type>(rows, matrix.cols, k, kLanes, x, sums);
  }
  if (k < matrix.cols) add_inputs<Type>(rows, matrix.cols, k, matrix.cols - k, x, sums);
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < M; ++t) y[t * stride + r] = vaddvq_f32(sums[r][t]);
  }
}

template <typename Type, int M>
void plain_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                  const float* const* x, float* y, int64_t stride) {
  // Sums enough to hide the latency of fma. One token's rows are streams that processors prefetch.
  constexpr int R = M <= 2 ? 8 : 4;
  int64_t n = row_begin;
  for (; n + R <= row_end; n += R) {
    plain_rows<Type, M, R>(matrix, n, x, y + n - row_begin, stride);
  }
  for (; n < row_end; ++n) plain_rows<Type, M, 1>(matrix, n, x, y + n - row_begin, stride);
}

using TokensProduct = void (*)(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                               const float* const* x, float* y, int64_t stride);

template <int kBits>
constexpr TokensProduct kPackedProducts[kMostTokens] = {
    packed_tokens<kBits, 1>, packed_tokens<kBits, 2>, packed_tokens<kBits, 3>,
    packed_tokens<kBits, 4>};

template <typename Type>
constexpr TokensProduct kPlainProducts[kMostTokens] = {
    plain_tokens<Type, 1>, plain_tokens<Type, 2>, plain_tokens<Type, 3>, plain_tokens<Type, 4>};

void multiply(const TokensProduct (&products)[kMostTokens], const QuantizedMatrix& matrix,
              int64_t row_begin, int64_t row_end, const FloatTile& input,
              const ProductOutput& output) {
  for (int t = 0; t < input.tokens; t += kMostTokens) {
    const int count = input.tokens - t < kMostTokens ? input.tokens - t : kMostTokens;
    products[count - 1](matrix, row_begin, row_end, input.rows + t,
                        output.values + t * output.stride, output.stride);
  }
}

}  // namespace

void matmul_w4_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  multiply(kPackedProducts<4>, matrix, row_begin, row_end, input, output);
}

void matmul_w8_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  multiply(kPackedProducts<8>, matrix, row_begin, row_end, input, output);
}

void matmul_bf16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                 const FloatTile& input, const ProductOutput& output) {
  multiply(kPlainProducts<Bf16>, matrix, row_begin, row_end, input, output);
}

void matmul_f16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  multiply(kPlainProducts<F16>, matrix, row_begin, row_end, input, output);
}

void matmul_f32(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  multiply(kPlainProducts<F32>, matrix, row_begin, row_end, input, output);
}

}  // namespace hearth::neon
