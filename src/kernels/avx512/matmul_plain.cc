// Row-major weights (bf16, f16, f32) times float activations.
//
//   row n     [ k 0..15 | 16..31 | … ]    16 lanes, each the sum of every sixteenth product
//   row n+1   [ k 0..15 | 16..31 | … ]
//
// The tile in registers is R rows × M tokens, up to six at once, which share what is loaded and
// widened. One token is bound by memory: while four rows are computed, the next four are asked for
// front to back, as memory and its prefetchers like best.
// The order in which products are added, and the lanes, are the same for every R and M.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

struct Bf16Weights {
  using Element = uint16_t;
  static __m512 load(const uint16_t* w, __mmask16 lanes) {
    return bf16_to_float(_mm256_maskz_loadu_epi16(lanes, w));
  }
};

struct F16Weights {
  using Element = uint16_t;
  static __m512 load(const uint16_t* w, __mmask16 lanes) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, w));
  }
};

struct F32Weights {
  using Element = float;
  static __m512 load(const float* w, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, w); }
};

template <typename Weights, int M, int R>
HEARTH_INLINE void add_products(const typename Weights::Element* rows, int64_t cols, int64_t k,
                                __mmask16 lanes, const float* const* x, __m512 (&sums)[R][M]) {
  __m512 w[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) w[r] = Weights::load(rows + r * cols + k, lanes);
#pragma GCC unroll 16
  for (int t = 0; t < M; ++t) {
    const __m512 input = _mm512_maskz_loadu_ps(lanes, x[t] + k);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sums[r][t] = _mm512_fmadd_ps(w[r], input, sums[r][t]);
  }
}

/// R output rows of M tokens; one token asks for the R rows at `ahead` meanwhile.
template <typename Weights, int M, int R>
HEARTH_INLINE void tile(const typename Weights::Element* rows, int64_t cols,
                        const typename Weights::Element* ahead, const float* const* x,
                        float* output, int64_t output_stride) {
  __m512 sums[R][M];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < M; ++t) sums[r][t] = _mm512_setzero_ps();
  }
  int64_t k = 0;
  for (; k + kLanes <= cols; k += kLanes) {
    if constexpr (M == 1) {
      constexpr int64_t kLine = 64 / sizeof(typename Weights::Element);
#pragma GCC unroll 16
      for (int64_t i = 0; i < R * kLanes; i += kLine) __builtin_prefetch(ahead + R * k + i);
    }
    add_products<Weights, M, R>(rows, cols, k, first_lanes(kLanes), x, sums);
  }
  if (k < cols) add_products<Weights, M, R>(rows, cols, k, first_lanes(cols - k), x, sums);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < M; ++t) output[t * output_stride + r] = sum_lanes(sums[r][t]);
  }
}

template <typename Weights, int M>
void rows_of_tokens(const void* weights, int64_t cols, int64_t row_begin, int64_t row_end,
                    const float* const* x, float* output, int64_t output_stride) {
  constexpr int R = 4;
  const auto* rows = static_cast<const typename Weights::Element*>(weights) + row_begin * cols;
  int64_t n = row_begin;
  for (; n + R <= row_end; n += R, rows += R * cols, output += R) {
    tile<Weights, M, R>(rows, cols, n + 2 * R <= row_end ? rows + R * cols : rows, x, output,
                        output_stride);
  }
  for (; n < row_end; ++n, rows += cols, ++output) {
    tile<Weights, M, 1>(rows, cols, rows, x, output, output_stride);
  }
}

using Rows = void (*)(const void* weights, int64_t cols, int64_t row_begin, int64_t row_end,
                      const float* const* x, float* output, int64_t output_stride);

constexpr int kTileTokens = 6;

template <typename W>
constexpr Rows kRows[kTileTokens] = {
    rows_of_tokens<W, 1>, rows_of_tokens<W, 2>, rows_of_tokens<W, 3>,
    rows_of_tokens<W, 4>, rows_of_tokens<W, 5>, rows_of_tokens<W, 6>,
};

/// A few rows at a time: where tokens come in two tiles, the second finds the weights in the cache.
template <typename Weights>
void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
             const FloatTile& input, const ProductOutput& output) {
  constexpr int64_t kPassRows = 8;
  const int64_t step = input.tokens <= kTileTokens ? row_end - row_begin : kPassRows;
  for (int64_t n = row_begin; n < row_end; n += step) {
    const int64_t end = row_end - n < step ? row_end : n + step;
    for (int t = 0; t < input.tokens; t += kTileTokens) {
      const int tokens = input.tokens - t < kTileTokens ? input.tokens - t : kTileTokens;
      float* values = output.values + t * output.stride + n - row_begin;
      kRows<Weights>[tokens - 1](matrix.weights, matrix.cols, n, end, input.rows + t, values,
                                 output.stride);
    }
  }
}

}  // namespace

void matmul_bf16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                 const FloatTile& input, const ProductOutput& output) {
  product<Bf16Weights>(matrix, row_begin, row_end, input, output);
}

void matmul_f16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  product<F16Weights>(matrix, row_begin, row_end, input, output);
}

void matmul_f32(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  product<F32Weights>(matrix, row_begin, row_end, input, output);
}

}  // namespace hearth::avx512
