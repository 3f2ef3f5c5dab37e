// Products with float activations.
//
// Packed weights: a vector holds 8 output rows; each k of a word becomes (code − zero) as a float
// and meets the activation of every token; a group's sum is scaled once.
//
//              n … n+7                 k of a word, one after the other:
//   k 0..7   [ word | word | … ]      [ code − zero | … ] · x[k], x[k] of each token broadcast
//
// Plain weights, row-major: a vector holds 8 consecutive inputs of one row; a tile of R rows × M
// tokens keeps one vector of sums each, added up across lanes at the end.
//
//   row n     [ k 0..7 | 8..15 | … ]    8 lanes, each the sum of every eighth product
//   row n+1   [ k 0..7 | 8..15 | … ]
//
// The order of additions is the same in every shape of tile.
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

constexpr int kMostTokens = 4;

/// Adds a group's products of V vectors of rows; k0 is its first input.
template <int kBits, bool kWhole, int M, int V>
HEARTH_INLINE void add_group(const QuantizedMatrix& matrix, const uint32_t* words, int64_t k0,
                             int64_t left, const __m256i (&zeros)[V], const float* const* x,
                             __m256 (&parts)[V][M]) {
  constexpr int64_t kPerWord = 32 / kBits;
  const __m256i code_mask = _mm256_set1_epi32((1 << kBits) - 1);
  for (int64_t k = k0; k < k0 + matrix.group_size; k += kPerWord, words += matrix.rows) {
    __m256i word[V];
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) {
      word[i] = load_words(words + i * kLanes, kWhole ? kLanes : left);
    }
    for (int64_t j = 0; j < kPerWord; ++j) {
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) {
        const __m256i code = _mm256_and_si256(word[i], code_mask);
        const __m256 weight = _mm256_cvtepi32_ps(_mm256_sub_epi32(code, zeros[i]));
        word[i] = _mm256_srli_epi32(word[i], kBits);
#pragma GCC unroll 4
        for (int t = 0; t < M; ++t) {
          parts[i][t] = _mm256_fmadd_ps(weight, _mm256_broadcast_ss(x[t] + k + j), parts[i][t]);
        }
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
  __m256 sums[V][M];
  for (int i = 0; i < V; ++i) {
    for (int t = 0; t < M; ++t) sums[i][t] = _mm256_setzero_ps();
  }
  for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
    __m256i zeros[V];
    __m256 parts[V][M];
    for (int i = 0; i < V; ++i) {
      zeros[i] = load_zeros(matrix, kBits, group, n + i * kLanes, left);
      for (int t = 0; t < M; ++t) parts[i][t] = _mm256_setzero_ps();
    }
    add_group<kBits, kWhole>(matrix, words + group * group_words, group * matrix.group_size, left,
                             zeros, x, parts);
    for (int i = 0; i < V; ++i) {
      const __m256 scales = load_scales(matrix.scales + group * matrix.rows + n + i * kLanes,
                                        matrix.scale_type, left);
      for (int t = 0; t < M; ++t) sums[i][t] = _mm256_fmadd_ps(scales, parts[i][t], sums[i][t]);
    }
  }
  for (int i = 0; i < V; ++i) {
    for (int t = 0; t < M; ++t) store_floats(y + t * stride + i * kLanes, sums[i][t], left);
  }
}

template <int kBits, int M>
void packed_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const float* const* x, float* y, int64_t stride) {
  constexpr int V = M <= 2 ? 4 : 2;
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
  static HEARTH_INLINE __m256 load(const uint16_t* p, int64_t left) {
    return widen_bf16(load_halves(p, left));
  }
};

struct F16 {
  using Element = uint16_t;
  static HEARTH_INLINE __m256 load(const uint16_t* p, int64_t left) {
    return _mm256_cvtph_ps(load_halves(p, left));
  }
};

struct F32 {
  using Element = float;
  static HEARTH_INLINE __m256 load(const float* p, int64_t left) { return load_floats(p, left); }
};

/// Adds the products of inputs [k, k + left), at most 8.
template <typename Type, int R, int M>
HEARTH_INLINE void add_inputs(const typename Type::Element* rows, int64_t cols, int64_t k,
                              int64_t left, const float* const* x, __m256 (&sums)[R][M]) {
  if constexpr (M == 1) {  // each weight is used once: eight of them need no registers
    const __m256 input = load_floats(x[0] + k, left);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      sums[r][0] = _mm256_fmadd_ps(Type::load(rows + r * cols + k, left), input, sums[r][0]);
    }
  } else {
    __m256 w[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) w[r] = Type::load(rows + r * cols + k, left);
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) {
      const __m256 input = load_floats(x[t] + k, left);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[r][t] = _mm256_fmadd_ps(w[r], input, sums[r][t]);
    }
  }
}

/// Rows [n, n + R). Meanwhile the same inputs of the rows `ahead` further on are asked for: a row
/// ends where processors' prefetchers have only begun to follow it.
template <typename Type, int M, int R>
void plain_rows(const QuantizedMatrix& matrix, int64_t n, int64_t ahead, const float* const* x,
                float* y, int64_t stride) {
  constexpr int64_t kLine = 64 / sizeof(typename Type::Element);
  const auto* rows = static_cast<const typename Type::Element*>(matrix.weights) + n * matrix.cols;
  __m256 sums[R][M];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < M; ++t) sums[r][t] = _mm256_setzero_ps();
  }
  const auto* later = rows + ahead * matrix.cols;
  int64_t k = 0;
  for (; k + kLine <= matrix.cols; k += kLine) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      _mm_prefetch(reinterpret_cast<const char*>(later + r * matrix.cols + k), _MM_HINT_T0);
    }
#pragma GCC unroll 4
    for (int64_t i = 0; i < kLine; i += kLanes) {
      add_inputs<Type>(rows, matrix.cols, k + i, kLanes, x, sums);
    }
  }
  for (; k + kLanes <= matrix.cols; k += kLanes) {
    add_inputs<Type>(rows, matrix.cols, k, kLanes, x, sums);
  }
  if (k < matrix.cols) add_inputs<Type>(rows, matrix.cols, k, matrix.cols - k, x, sums);
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < M; ++t) y[t * stride + r] = reduce_add(sums[r][t]);
  }
}

template <typename Type, int M>
void plain_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                  const float* const* x, float* y, int64_t stride) {
  // Eight sums or more hide the latency of fma; twelve, three weights and an input fill the
  // registers.
  constexpr int R = M == 1 ? 8 : M == 2 ? 4 : 3;
  int64_t n = row_begin;
  for (; n + R <= row_end; n += R) {
    const int64_t ahead = n + 2 * R <= row_end ? R : 0;
    plain_rows<Type, M, R>(matrix, n, ahead, x, y + n - row_begin, stride);
  }
  for (; n < row_end; ++n) plain_rows<Type, M, 1>(matrix, n, 0, x, y + n - row_begin, stride);
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

}  // namespace hearth::avx2
