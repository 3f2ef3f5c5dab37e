// Small vocabulary of the AVX-512 kernels. Everything has internal linkage: these functions are
// compiled with flags that other files must not inherit.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "tensor/quantized_matrix.h"

namespace hearth::avx512 {
namespace {

constexpr int64_t kLanes = 16;

/// The first `left` lanes, all of them from 16 on.
inline __mmask16 lane_mask(int64_t left) {
  return left >= kLanes ? static_cast<__mmask16>(0xFFFF)
                        : static_cast<__mmask16>((1u << left) - 1u);
}

inline __m512 widen_bf16(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

/// 16 scales of a packed matrix, as floats; lanes outside the mask are 0.
inline __m512 load_scales(const uint16_t* scales, ScaleType type, __mmask16 mask) {
  const __m256i halves = _mm256_maskz_loadu_epi16(mask, scales);
  return type == ScaleType::kF16 ? _mm512_cvtph_ps(halves) : widen_bf16(halves);
}

/// Zero points of the 16 columns from n on; n is a multiple of the columns of a word.
inline __m512i load_zeros(const QuantizedMatrix& matrix, int bits, int64_t group, int64_t n,
                          __mmask16 mask) {
  if (!matrix.zeros) return _mm512_set1_epi32(1 << (bits - 1));
  const int per_word = 32 / bits;
  const uint32_t* words = matrix.zeros + (group * matrix.rows + n) / per_word;
  const __m512i lanes =
      _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i word = _mm512_srli_epi32(lanes, bits == 4 ? 3 : 2);
  const __m512i shift =
      _mm512_mullo_epi32(_mm512_and_si512(lanes, _mm512_set1_epi32(per_word - 1)),
                         _mm512_set1_epi32(bits));
  const __m512i gathered =
      _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, word, words, 4);
  const __m512i field = _mm512_and_si512(_mm512_srlv_epi32(gathered, shift),
                                         _mm512_set1_epi32((1 << bits) - 1));
  return _mm512_add_epi32(field, _mm512_set1_epi32(matrix.zero_offset));
}

/// e^x, relative error below 2 ulp; 0 far below, infinity far above. Range reduction by ln 2 in two
/// parts and a polynomial of degree 6 on [−ln2/2, ln2/2].
inline __m512 exp(__m512 x) {
  x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(89.0f)), _mm512_set1_ps(-104.0f));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 720.0f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

inline __m512 sigmoid(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  return _mm512_div_ps(one, _mm512_add_ps(one, exp(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

inline __m512 silu(__m512 x) { return _mm512_mul_ps(x, sigmoid(x)); }

}  // namespace
}  // namespace hearth::avx512
