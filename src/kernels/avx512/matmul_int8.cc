// W4 and W8 K-packed products with int8 activations, on vpdpbusd.
//
//   one 512-bit load of a row of words = 16 output columns × 8 (w4) or 4 (w8) consecutive k:
//
//     w4 lane:  k7 k6 k5 k4 k3 k2 k1 k0   & 0x0F0F0F0F → bytes k6 k4 k2 k0
//                                        >> 4, & same → bytes k7 k5 k3 k1
//     w8 lane:  k3 k2 k1 k0                           → bytes as they are
//
// These are the unsigned operand of vpdpbusd as they stand in the file. The matching four int8
// activations of a token are one 32-bit word, broadcast to every lane straight from memory. The
// zero point enters as the start value −z·Σa of the integer sums, one float combine per block.
//
// A panel is P vectors of columns × M tokens of accumulators: many columns for one token, to hide
// the latency of the chains; many tokens otherwise, so that a weight is unpacked once for all.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/simd.h"

namespace hearth::avx512 {
namespace {

/// acc += weights (unsigned bytes) · *activations (four int8, broadcast). Written out because
/// compilers load and broadcast in an instruction of their own, which costs a third of the speed.
inline __m512i dot(__m512i acc, __m512i weights, const int32_t* activations) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(weights), "m"(*activations));
  return acc;
}

struct Panel {
  const QuantizedMatrix& matrix;
  const ActivationTile& input;
  int first_token;  // of the M tokens
  int64_t n;        // first column
  __mmask16 mask;   // columns of the last vector that exist
};

template <int Bits, int M, int P>
inline void accumulate_block(const Panel& panel, int64_t block, __m512i (&acc)[P][M]) {
  constexpr int64_t kPerWord = 32 / Bits;
  const int64_t stride = panel.matrix.rows;
  const int64_t rows = panel.input.block / kPerWord;
  const int tokens = panel.input.tokens;
  const uint32_t* words = static_cast<const uint32_t*>(panel.matrix.weights) +
                          block * rows * stride + panel.n;
  const int32_t* a = panel.input.words + block * panel.input.block / 4 * tokens +
                     panel.first_token;
  const __m512i nibbles = _mm512_set1_epi32(0x0F0F0F0F);
  for (int64_t r = 0; r < rows; ++r, words += stride) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      // One token is bound by memory: ask for the same rows of the next block.
      if (M == 1) _mm_prefetch(reinterpret_cast<const char*>(words + 16 * p + rows * stride),
                               _MM_HINT_T0);
      const __m512i w =
          p + 1 < P ? _mm512_loadu_si512(words + 16 * p)
                    : _mm512_maskz_loadu_epi32(panel.mask, words + 16 * p);
      if (Bits == 4) {
        const __m512i low = _mm512_and_si512(w, nibbles);
        const __m512i high = _mm512_and_si512(_mm512_srli_epi32(w, 4), nibbles);
#pragma GCC unroll 12
        for (int t = 0; t < M; ++t) acc[p][t] = dot(acc[p][t], low, a + t);
#pragma GCC unroll 12
        for (int t = 0; t < M; ++t) acc[p][t] = dot(acc[p][t], high, a + tokens + t);
      } else {
#pragma GCC unroll 12
        for (int t = 0; t < M; ++t) acc[p][t] = dot(acc[p][t], w, a + t);
      }
    }
    a += (Bits == 4 ? 2 : 1) * tokens;
  }
}

template <int Bits, int M, int P>
void multiply_panel(const Panel& panel, float* y, int64_t stride) {
  const QuantizedMatrix& matrix = panel.matrix;
  const ActivationTile& input = panel.input;
  const auto mask = [&](int p) { return p + 1 < P ? __mmask16(0xFFFF) : panel.mask; };
  alignas(64) float sums[P][M][kLanes] = {};
  const int64_t blocks = matrix.cols / input.block;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t group = b * input.block / matrix.group_size;
    const int32_t* token_sums = input.sums + b * input.tokens + panel.first_token;
    const float* token_scales = input.scales + b * input.tokens + panel.first_token;
    __m512i acc[P][M];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const __m512i zeros = load_zeros(matrix, Bits, group, panel.n + 16 * p, mask(p));
#pragma GCC unroll 12
      for (int t = 0; t < M; ++t) {
        acc[p][t] = _mm512_mullo_epi32(zeros, _mm512_set1_epi32(-token_sums[t]));
      }
    }
    accumulate_block<Bits, M, P>(panel, b, acc);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const __m512 scales = load_scales(matrix.scales + group * matrix.rows + panel.n + 16 * p,
                                        matrix.scale_type, mask(p));
#pragma GCC unroll 12
      for (int t = 0; t < M; ++t) {
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(token_scales[t]));
        const __m512 sum = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(acc[p][t]),
                                           _mm512_load_ps(sums[p][t]));
        _mm512_store_ps(sums[p][t], sum);
      }
    }
  }
  for (int p = 0; p < P; ++p) {
    for (int t = 0; t < M; ++t) {
      _mm512_mask_storeu_ps(y + t * stride + 16 * p, mask(p), _mm512_load_ps(sums[p][t]));
    }
  }
}

/// M tokens of the tile from first_token on, all columns of [row_begin, row_end).
template <int Bits, int M, int P>
void multiply_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const ActivationTile& input, int first_token, const ProductOutput& output) {
  float* y = output.values + first_token * output.stride;
  int64_t n = row_begin;
  for (; n + 16 * P <= row_end; n += 16 * P) {
    multiply_panel<Bits, M, P>({matrix, input, first_token, n, 0xFFFF}, y + n - row_begin,
                               output.stride);
  }
  for (; n < row_end; n += kLanes) {
    multiply_panel<Bits, M, 1>({matrix, input, first_token, n, lane_mask(row_end - n)},
                               y + n - row_begin, output.stride);
  }
}

template <int Bits>
void multiply(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
              const ActivationTile& input, const ProductOutput& output) {
  const auto run = [&](auto multiply_some, int first_token) {
    multiply_some(matrix, row_begin, row_end, input, first_token, output);
  };
  switch (input.tokens) {
    case 1: return run(multiply_tokens<Bits, 1, 8>, 0);
    case 2: return run(multiply_tokens<Bits, 2, 4>, 0);
    case 3: return run(multiply_tokens<Bits, 3, 4>, 0);
    case 4: return run(multiply_tokens<Bits, 4, 4>, 0);
    case 5: return run(multiply_tokens<Bits, 5, 2>, 0);
    case 6: return run(multiply_tokens<Bits, 6, 2>, 0);
    case 7: return run(multiply_tokens<Bits, 7, 2>, 0);
    case 8: return run(multiply_tokens<Bits, 8, 2>, 0);
    case 9: return run(multiply_tokens<Bits, 9, 2>, 0);
    case 10: return run(multiply_tokens<Bits, 10, 2>, 0);
    case 11: return run(multiply_tokens<Bits, 11, 2>, 0);
    case 12: return run(multiply_tokens<Bits, 12, 2>, 0);
    default: return;
  }
}

}  // namespace

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  multiply<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  multiply<8>(matrix, row_begin, row_end, input, output);
}

}  // namespace hearth::avx512
