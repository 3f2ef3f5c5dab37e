// Products with float activations.
//
// Packed weights: a vector holds 8 columns; each k of a word becomes (code − zero) as a float and
// meets the activation of every token; a group's sum is scaled once.
// Plain weights, [rows][cols]: a vector holds 8 consecutive inputs of one row; a panel of R rows ×
// M tokens keeps one vector of partial sums each, added up across lanes at the end in one order.
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

template <int Bits, int M>
void packed_columns(const QuantizedMatrix& matrix, int64_t n, int64_t left,
                    const float* const* rows, float* y, int64_t stride) {
  constexpr int64_t kPerWord = 32 / Bits;
  const __m256i code_mask = _mm256_set1_epi32((1 << Bits) - 1);
  const uint32_t* words = static_cast<const uint32_t*>(matrix.weights) + n;
  __m256 sums[M];
  for (int t = 0; t < M; ++t) sums[t] = _mm256_setzero_ps();
  int64_t k = 0;
  for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
    const __m256i zeros = load_zeros(matrix, Bits, group, n, left);
    __m256 parts[M];
    for (int t = 0; t < M; ++t) parts[t] = _mm256_setzero_ps();
    for (const int64_t end = k + matrix.group_size; k < end; words += matrix.rows) {
      __m256i word = load_words(words, left);
      for (int64_t i = 0; i < kPerWord; ++i, ++k) {
        const __m256i code = _mm256_and_si256(word, code_mask);
        const __m256 weight = _mm256_cvtepi32_ps(_mm256_sub_epi32(code, zeros));
        word = _mm256_srli_epi32(word, Bits);
#pragma GCC unroll 4
        for (int t = 0; t < M; ++t) {
          parts[t] = _mm256_fmadd_ps(weight, _mm256_set1_ps(rows[t][k]), parts[t]);
        }
      }
    }
    const __m256 scales =
        load_scales(matrix.scales + group * matrix.rows + n, matrix.scale_type, left);
    for (int t = 0; t < M; ++t) sums[t] = _mm256_fmadd_ps(scales, parts[t], sums[t]);
  }
  for (int t = 0; t < M; ++t) store_floats(y + t * stride, sums[t], left);
}

template <int Bits>
void multiply_packed(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  for (int64_t n = row_begin; n < row_end; n += kLanes) {
    const int64_t left = lanes_left(row_end - n);
    for (int t = 0; t < input.tokens;) {
      float* y = output.values + t * output.stride + n - row_begin;
      if (t + 4 <= input.tokens) {
        packed_columns<Bits, 4>(matrix, n, left, input.rows + t, y, output.stride);
        t += 4;
      } else {
        packed_columns<Bits, 1>(matrix, n, left, input.rows + t, y, output.stride);
        t += 1;
      }
    }
  }
}

struct Bf16 {
  using Element = uint16_t;
  static __m256 load(const uint16_t* p, int64_t left) { return widen_bf16(load_halves(p, left)); }
};

struct F16 {
  using Element = uint16_t;
  static __m256 load(const uint16_t* p, int64_t left) {
    return _mm256_cvtph_ps(load_halves(p, left));
  }
};

struct F32 {
  using Element = float;
  static __m256 load(const float* p, int64_t left) { return load_floats(p, left); }
};

template <typename Type, int R, int M>
void plain_panel(const QuantizedMatrix& matrix, int64_t n, const float* const* rows, float* y,
                 int64_t stride) {
  const auto* weights =
      static_cast<const typename Type::Element*>(matrix.weights) + n * matrix.cols;
  __m256 sums[R][M];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < M; ++t) sums[r][t] = _mm256_setzero_ps();
  }
  for (int64_t k = 0; k < matrix.cols; k += kLanes) {
    const int64_t left = matrix.cols - k;
    __m256 x[M];
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) x[t] = load_floats(rows[t] + k, left);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256 w = Type::load(weights + r * matrix.cols + k, left);
#pragma GCC unroll 4
      for (int t = 0; t < M; ++t) sums[r][t] = _mm256_fmadd_ps(w, x[t], sums[r][t]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < M; ++t) y[t * stride + r] = reduce_add(sums[r][t]);
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
      plain_tokens<Type, 2, 4>(matrix, row_begin, row_end, input.rows + t, y, output.stride);
      t += 4;
    } else {
      plain_tokens<Type, 4, 1>(matrix, row_begin, row_end, input.rows + t, y, output.stride);
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

}  // namespace hearth::avx2
