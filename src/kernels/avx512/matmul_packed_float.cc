// Packed weights times float activations: the exact path.
//
//              n … n+15 (one register)
//   k 0..7   [ word | word | … | word ]  →  (code − z) of k = 0, of k = 1, …  (16 floats each)
//
// Each code is taken out of its word and converted once, then multiplied by the input x[k] of
// every token, broadcast. The tile in registers is V vectors of 16 output rows × M tokens, as in
// matmul_int8.cc. A group's sum is scaled once: one fma a group, in group order.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/packed.h"

namespace hearth::avx512 {
namespace {

/// Σ (code − z)·x over the words of one group, for V vectors of rows from `weights` on.
template <int kBits, int M, int V>
HEARTH_INLINE void group_sums(const QuantizedMatrix& matrix, const uint32_t* weights, int64_t k,
                              const float* const* x, const __mmask16* lanes, const __m512i* zeros,
                              __m512 (&sums)[V][M]) {
  const __m512i mask = _mm512_set1_epi32((1 << kBits) - 1);
  const int64_t end = k + matrix.group_size;
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
#pragma GCC unroll 16
    for (int t = 0; t < M; ++t) sums[i][t] = _mm512_setzero_ps();
  }
  for (; k < end; k += 32 / kBits, weights += matrix.rows) {
    __m512i words[V];
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i) {
      words[i] = _mm512_maskz_loadu_epi32(lanes[i], weights + i * kLanes);
    }
    for (int j = 0; j < 32 / kBits; ++j) {
      __m512 codes[V];
#pragma GCC unroll 16
      for (int i = 0; i < V; ++i) {
        const __m512i code = _mm512_and_si512(words[i], mask);
        codes[i] = _mm512_cvtepi32_ps(_mm512_sub_epi32(code, zeros[i]));
        words[i] = _mm512_srli_epi32(words[i], kBits);
      }
#pragma GCC unroll 16
      for (int t = 0; t < M; ++t) {
        const __m512 input = _mm512_set1_ps(x[t][k + j]);
#pragma GCC unroll 16
        for (int i = 0; i < V; ++i) sums[i][t] = _mm512_fmadd_ps(codes[i], input, sums[i][t]);
      }
    }
  }
}

/// V vectors of output rows from n on, `rows` of which are wanted, with all inputs.
template <int kBits, int M, int V>
void tile(const QuantizedMatrix& matrix, int64_t n, int64_t rows, const float* const* x,
          float* output, int64_t output_stride) {
  const uint32_t* weights = static_cast<const uint32_t*>(matrix.weights) + n;
  __mmask16 lanes[V];
  alignas(64) float totals[V][M][kLanes] = {};
  for (int i = 0; i < V; ++i) lanes[i] = first_lanes(rows - i * kLanes);
  for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
    const int64_t k = group * matrix.group_size;
    __m512i zeros[V];
    for (int i = 0; i < V; ++i) {
      const int64_t left = rows - i * kLanes;
      zeros[i] = load_zeros<kBits>(matrix, group, n + i * kLanes, left < kLanes ? left : kLanes);
    }
    __m512 sums[V][M];
    group_sums<kBits, M, V>(matrix, weights + k * kBits / 32 * matrix.rows, k, x, lanes, zeros,
                            sums);
    for (int i = 0; i < V; ++i) {
      const __m512 scales = load_scales(matrix, group, n + i * kLanes, lanes[i]);
      for (int t = 0; t < M; ++t) {
        const __m512 total = _mm512_load_ps(totals[i][t]);
        _mm512_store_ps(totals[i][t], _mm512_fmadd_ps(scales, sums[i][t], total));
      }
    }
  }
  for (int i = 0; i < V; ++i) {
    for (int t = 0; t < M; ++t) {
      _mm512_mask_storeu_ps(output + t * output_stride + i * kLanes, lanes[i],
                            _mm512_load_ps(totals[i][t]));
    }
  }
}

template <int kBits, int M>
void rows_of_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const float* const* x, const ProductOutput& output) {
  constexpr int V = M <= 3 ? 4 : 2;
  int64_t n = row_begin;
  for (; n + (V - 1) * kLanes < row_end; n += V * kLanes) {
    tile<kBits, M, V>(matrix, n, row_end - n, x, output.values + n - row_begin, output.stride);
  }
  for (; n < row_end; n += kLanes) {
    tile<kBits, M, 1>(matrix, n, row_end - n, x, output.values + n - row_begin, output.stride);
  }
}

using Rows = void (*)(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                      const float* const* x, const ProductOutput& output);

constexpr int kTileTokens = 12;

template <int kBits>
constexpr Rows kRows[kTileTokens] = {
    rows_of_tokens<kBits, 1>,  rows_of_tokens<kBits, 2>,  rows_of_tokens<kBits, 3>,
    rows_of_tokens<kBits, 4>,  rows_of_tokens<kBits, 5>,  rows_of_tokens<kBits, 6>,
    rows_of_tokens<kBits, 7>,  rows_of_tokens<kBits, 8>,  rows_of_tokens<kBits, 9>,
    rows_of_tokens<kBits, 10>, rows_of_tokens<kBits, 11>, rows_of_tokens<kBits, 12>,
};

template <int kBits>
void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
             const FloatTile& input, const ProductOutput& output) {
  for (int t = 0; t < input.tokens; t += kTileTokens) {
    const int tokens = input.tokens - t < kTileTokens ? input.tokens - t : kTileTokens;
    kRows<kBits>[tokens - 1](matrix, row_begin, row_end, input.rows + t,
                             {output.values + t * output.stride, output.stride});
  }
}

}  // namespace

void matmul_w4_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  product<8>(matrix, row_begin, row_end, input, output);
}

}  // namespace hearth::avx512
