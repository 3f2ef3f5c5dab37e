// Products with float activations.
//
// Packed weights: a vector holds 16 columns; each k of a word becomes (code − zero) as a float and
// meets the activation of every token; a group's sum is scaled once.
// Plain weights, [rows][cols]: a vector holds 16 consecutive inputs of one row; a panel of R rows ×
// M tokens keeps one vector of partial sums each, added up across lanes at the end in one order.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/simd.h"

namespace hearth::avx512 {
namespace {

template <int Bits, int M>
void packed_columns(const QuantizedMatrix& matrix, int64_t n, __mmask16 mask,
                    const float* const* rows, float* y, int64_t stride) {
  constexpr int64_t kPerWord = 32 / Bits;
  const __m512i code_mask = _mm512_set1_epi32((1 << Bits) - 1);
  const uint32_t* words = static_cast<const uint32_t*>(matrix.weights) + n;
  __m512 sums[M];
  for (int t = 0; t < M; ++t) sums[t] = _mm512_setzero_ps();
  int64_t k = 0;
  for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
    const __m512i zeros = load_zeros(matrix, Bits, group, n, mask);
    __m512 parts[M];
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) parts[t] = _mm512_setzero_ps();
    for (const int64_t end = k + matrix.group_size; k < end; words += matrix.rows) {
      __m512i word = _mm512_maskz_loadu_epi32(mask, words);
      for (int64_t i = 0; i < kPerWord; ++i, ++k) {
        const __m512i code = _mm512_and_si512(word, code_mask);
        const __m512 weight = _mm512_cvtepi32_ps(_mm512_sub_epi32(code, zeros));
        word = _mm512_srli_epi32(word, Bits);
#pragma GCC unroll 12
        for (int t = 0; t < M; ++t) {
          parts[t] = _mm512_fmadd_ps(weight, _mm512_set1_ps(rows[t][k]), parts[t]);
        }
      }
    }
    const __m512 scales =
        load_scales(matrix.scales + group * matrix.rows + n, matrix.scale_type, mask);
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) sums[t] = _mm512_fmadd_ps(scales, parts[t], sums[t]);
  }
  for (int t = 0; t < M; ++t) _mm512_mask_storeu_ps(y + t * stride, mask, sums[t]);
}

template <int Bits>
void multiply_packed(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  constexpr int kTokens = 4;  // unpacking costs little beside four products
  for (int64_t n = row_begin; n < row_end; n += kLanes) {
    const __mmask16 mask = lane_mask(row_end - n);
    for (int t = 0; t < input.tokens;) {
      float* y = output.values + t * output.stride + n - row_begin;
      if (t + kTokens <= input.tokens) {
        packed_columns<Bits, kTokens>(matrix, n, mask, input.rows + t, y, output.stride);
        t += kTokens;
      } else {
        packed_columns<Bits, 1>(matrix, n, mask, input.rows + t, y, output.stride);
        t += 1;
      }
    }
  }
}

struct Bf16 {
  using Element = uint16_t;
  static __m512 load(const uint16_t* p, __mmask16 mask) {
    return widen_bf16(_mm256_maskz_loadu_epi16(mask, p));
  }
};

struct F16 {
  using Element = uint16_t;
  static __m512 load(const uint16_t* p, __mmask16 mask) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
  }
};

struct F32 {
  using Element = float;
  static __m512 load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
};

template <typename Type, int R, int M>
void plain_panel(const QuantizedMatrix& matrix, int64_t n, const float* const* rows, float* y,
                 int64_t stride) {
  const auto* weights = static_cast<const typename Type::Element*>(matrix.weights) +
                        n * matrix.cols;
  __m512 sums[R][M];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) sums[r][t] = _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < matrix.cols; k += kLanes) {
    const __mmask16 mask = lane_mask(matrix.cols - k);
    __m512 x[M];
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) x[t] = _mm512_maskz_loadu_ps(mask, rows[t] + k);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 w = Type::load(weights + r * matrix.cols + k, mask);
#pragma GCC unroll 4
      for (int t = 0; t < M; ++t) sums[r][t] = _mm512_fmadd_ps(w, x[t], sums[r][t]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < M; ++t) y[t * stride + r] = _mm512_reduce_add_ps(sums[r][t]);
  }
}

template <typename Type, int R, int M>
void plain_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                  const float* const* rows, float* y, int64_t stride) {
  int64_t n = row_begin;
  for (; n + R <= row_end; n += R) {
    plain_panel<Type, R, M>(matrix, n, rows, y + n - row_begin, stride);
  }
  for (; n < row_end; ++n) plain_panel<Type, 1, M>(matrix, n, rows, y + n - row_begin, stride);
}

template <typename Type>
void multiply_plain(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const FloatTile& input, const ProductOutput& output) {
  for (int t = 0; t < input.tokens;) {
    float* y = output.values + t * output.stride;
    if (t + 4 <= input.tokens) {
      plain_tokens<Type, 4, 4>(matrix, row_begin, row_end, input.rows + t, y, output.stride);
      t += 4;
    } else {
      plain_tokens<Type, 8, 1>(matrix, row_begin, row_end, input.rows + t, y, output.stride);
      t += 1;
    }
  }
}

}  // namespace

void matmul_w4_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  multiply_packed<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  multiply_packed<8>(matrix, row_begin, row_end, input, output);
}

void matmul_bf16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                 const FloatTile& input, const ProductOutput& output) {
  multiply_plain<Bf16>(matrix, row_begin, row_end, input, output);
}

void matmul_f16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  multiply_plain<F16>(matrix, row_begin, row_end, input, output);
}

void matmul_f32(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  multiply_plain<F32>(matrix, row_begin, row_end, input, output);
}

}  // namespace hearth::avx512
