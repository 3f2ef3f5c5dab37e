// W4 and W8 K-packed products with int8 activations, on maddubs (unsigned × signed bytes, pairs
// added into 16 bits with saturation) and madd (pairs of 16 bits into 32).
//
//   one 256-bit load of a row of words = 8 output columns × 8 (w4) or 4 (w8) consecutive k, in the
//   byte order of avx512/matmul_int8.cc.
//
// Saturation must not happen, or sums would be wrong in silence:
//   w4: a pair is at most 2·15·127 = 3810, so eight of them (four rows of words) fit 16 bits.
//   w8: unsigned pairs would reach 2·255·127. The codes are made signed (w − 128); |w − 128| ≤ 128
//       meets the activation with the sign of w − 128: at most 2·128·127 = 32512.
// The zero point (less 128 for w8) enters as the start value −z·Σa of the sums.
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

constexpr int64_t kRowsPer16Bits = 4;

struct Panel {
  const QuantizedMatrix& matrix;
  const ActivationTile& input;
  int first_token;  // of the M tokens
  int64_t n;        // first column
  int64_t left;     // columns from the last vector's first on
};

template <int P>
int64_t columns(const Panel& panel, int p) {
  return p + 1 < P ? kLanes : panel.left;
}

template <int M, int P>
void accumulate_w4(const Panel& panel, int64_t block, __m256i (&acc)[P][M]) {
  const int64_t stride = panel.matrix.rows;
  const int64_t rows = panel.input.block / 8;
  const int tokens = panel.input.tokens;
  const uint32_t* words =
      static_cast<const uint32_t*>(panel.matrix.weights) + block * rows * stride + panel.n;
  const int32_t* a = panel.input.words + block * panel.input.block / 4 * tokens + panel.first_token;
  const __m256i nibbles = _mm256_set1_epi8(0x0F);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t r = 0; r < rows;) {
    const int64_t end = r + kRowsPer16Bits < rows ? r + kRowsPer16Bits : rows;
    __m256i pairs[P][M];
    for (int p = 0; p < P; ++p) {
      for (int t = 0; t < M; ++t) pairs[p][t] = _mm256_setzero_si256();
    }
    for (; r < end; ++r, words += stride, a += 2 * tokens) {
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        if (M == 1)
          _mm_prefetch(reinterpret_cast<const char*>(words + 8 * p + rows * stride), _MM_HINT_T0);
        const __m256i w = load_words(words + 8 * p, columns<P>(panel, p));
        const __m256i low = _mm256_and_si256(w, nibbles);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi32(w, 4), nibbles);
#pragma GCC unroll 4
        for (int t = 0; t < M; ++t) {
          const __m256i even = _mm256_maddubs_epi16(low, _mm256_set1_epi32(a[t]));
          const __m256i odd = _mm256_maddubs_epi16(high, _mm256_set1_epi32(a[tokens + t]));
          pairs[p][t] = _mm256_add_epi16(pairs[p][t], _mm256_add_epi16(even, odd));
        }
      }
    }
    for (int p = 0; p < P; ++p) {
      for (int t = 0; t < M; ++t) {
        acc[p][t] = _mm256_add_epi32(acc[p][t], _mm256_madd_epi16(pairs[p][t], ones));
      }
    }
  }
}

template <int M, int P>
void accumulate_w8(const Panel& panel, int64_t block, __m256i (&acc)[P][M]) {
  const int64_t stride = panel.matrix.rows;
  const int64_t rows = panel.input.block / 4;
  const int tokens = panel.input.tokens;
  const uint32_t* words =
      static_cast<const uint32_t*>(panel.matrix.weights) + block * rows * stride + panel.n;
  const int32_t* a = panel.input.words + block * panel.input.block / 4 * tokens + panel.first_token;
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i sign_bits = _mm256_set1_epi8(-128);
  for (int64_t r = 0; r < rows; ++r, words += stride, a += tokens) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      if (M == 1)
        _mm_prefetch(reinterpret_cast<const char*>(words + 8 * p + rows * stride), _MM_HINT_T0);
      const __m256i w =
          _mm256_xor_si256(load_words(words + 8 * p, columns<P>(panel, p)), sign_bits);
      const __m256i magnitude = _mm256_abs_epi8(w);
#pragma GCC unroll 4
      for (int t = 0; t < M; ++t) {
        const __m256i signed_a = _mm256_sign_epi8(_mm256_set1_epi32(a[t]), w);
        const __m256i pairs = _mm256_maddubs_epi16(magnitude, signed_a);
        acc[p][t] = _mm256_add_epi32(acc[p][t], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
}

template <int Bits, int M, int P>
void multiply_panel(const Panel& panel, float* y, int64_t stride) {
  const QuantizedMatrix& matrix = panel.matrix;
  const ActivationTile& input = panel.input;
  const __m256i centre = _mm256_set1_epi32(Bits == 8 ? 128 : 0);
  __m256 sums[P][M];
  for (int p = 0; p < P; ++p) {
    for (int t = 0; t < M; ++t) sums[p][t] = _mm256_setzero_ps();
  }
  for (int64_t b = 0; b < matrix.cols / input.block; ++b) {
    const int64_t group = b * input.block / matrix.group_size;
    const int32_t* token_sums = input.sums + b * input.tokens + panel.first_token;
    const float* token_scales = input.scales + b * input.tokens + panel.first_token;
    __m256i acc[P][M];
    for (int p = 0; p < P; ++p) {
      const __m256i zeros = _mm256_sub_epi32(
          load_zeros(matrix, Bits, group, panel.n + 8 * p, columns<P>(panel, p)), centre);
      for (int t = 0; t < M; ++t) {
        acc[p][t] = _mm256_mullo_epi32(zeros, _mm256_set1_epi32(-token_sums[t]));
      }
    }
    if (Bits == 4) accumulate_w4<M, P>(panel, b, acc);
    else accumulate_w8<M, P>(panel, b, acc);
    for (int p = 0; p < P; ++p) {
      const __m256 scales = load_scales(matrix.scales + group * matrix.rows + panel.n + 8 * p,
                                        matrix.scale_type, columns<P>(panel, p));
      for (int t = 0; t < M; ++t) {
        const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(token_scales[t]));
        sums[p][t] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(acc[p][t]), sums[p][t]);
      }
    }
  }
  for (int p = 0; p < P; ++p) {
    for (int t = 0; t < M; ++t) {
      store_floats(y + t * stride + 8 * p, sums[p][t], columns<P>(panel, p));
    }
  }
}

template <int Bits, int M, int P>
void multiply_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const ActivationTile& input, int first_token, const ProductOutput& output) {
  float* y = output.values + first_token * output.stride;
  int64_t n = row_begin;
  for (; n + 8 * P <= row_end; n += 8 * P) {
    multiply_panel<Bits, M, P>({matrix, input, first_token, n, kLanes}, y + n - row_begin,
                               output.stride);
  }
  for (; n < row_end; n += kLanes) {
    multiply_panel<Bits, M, 1>({matrix, input, first_token, n, lanes_left(row_end - n)},
                               y + n - row_begin, output.stride);
  }
}

template <int Bits>
void multiply(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
              const ActivationTile& input, const ProductOutput& output) {
  for (int t = 0; t < input.tokens;) {
    const int left = input.tokens - t;
    if (left >= 4) {
      multiply_tokens<Bits, 4, 1>(matrix, row_begin, row_end, input, t, output);
      t += 4;
    } else if (left >= 2) {
      multiply_tokens<Bits, 2, 2>(matrix, row_begin, row_end, input, t, output);
      t += 2;
    } else {
      multiply_tokens<Bits, 1, 4>(matrix, row_begin, row_end, input, t, output);
      t += 1;
    }
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

}  // namespace hearth::avx2
