// Small vocabulary of the AVX2 kernels. Everything has internal linkage: these functions are
// compiled with flags that other files must not inherit.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/inline.h"
#include "tensor/quantized_matrix.h"

namespace hearth::avx2 {
namespace {

constexpr int64_t kLanes = 8;

/// All bits set in the first `left` lanes, in all of them from 8 on.
inline __m256i lane_mask(int64_t left) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int count = left > kLanes ? static_cast<int>(kLanes) : static_cast<int>(left);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes);
}

inline int64_t lanes_left(int64_t left) { return left < kLanes ? left : kLanes; }

/// Up to 8 16-bit values; the rest are 0. AVX2 has no masked load of 16-bit lanes.
inline __m128i load_halves(const uint16_t* p, int64_t left) {
  if (left >= kLanes) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  alignas(16) uint16_t lanes[kLanes] = {};
  for (int64_t i = 0; i < left; ++i) lanes[i] = p[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(lanes));
}

inline __m256 widen_bf16(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

inline __m256 load_floats(const float* p, int64_t left) {
  return left >= kLanes ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lane_mask(left));
}

inline void store_floats(float* p, __m256 v, int64_t left) {
  if (left >= kLanes) _mm256_storeu_ps(p, v);
  else _mm256_maskstore_ps(p, lane_mask(left), v);
}

/// A row of words of up to 8 columns.
inline __m256i load_words(const uint32_t* p, int64_t left) {
  return left >= kLanes ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                        : _mm256_maskload_epi32(reinterpret_cast<const int*>(p), lane_mask(left));
}

/// Up to 8 scales of a packed matrix, as floats.
inline __m256 load_scales(const uint16_t* scales, ScaleType type, int64_t left) {
  const __m128i halves = load_halves(scales, left);
  return type == ScaleType::kF16 ? _mm256_cvtph_ps(halves) : widen_bf16(halves);
}

/// Zero points of up to 8 columns from n on. The one to three words that hold them are spread over
/// the lanes, and each lane shifts its field down.
inline __m256i load_zeros(const QuantizedMatrix& matrix, int bits, int64_t group, int64_t n,
                          int64_t left) {
  if (!matrix.zeros) return _mm256_set1_epi32(1 << (bits - 1));
  const int64_t per_word = 32 / bits;
  const int64_t skipped = n % per_word;  // fields of the first word that belong to columns before n
  const int64_t words = (skipped + lanes_left(left) + per_word - 1) / per_word;
  const uint32_t* first = matrix.zeros + group * (matrix.rows / per_word) + n / per_word;
  const __m256i packed = load_words(first, words);
  const __m256i field = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                         _mm256_set1_epi32(static_cast<int>(skipped)));
  const __m256i word =
      _mm256_permutevar8x32_epi32(packed, _mm256_srli_epi32(field, bits == 4 ? 3 : 2));
  const __m256i place = _mm256_and_si256(field, _mm256_set1_epi32(static_cast<int>(per_word) - 1));
  const __m256i shift = _mm256_slli_epi32(place, bits == 4 ? 2 : 3);
  const __m256i code =
      _mm256_and_si256(_mm256_srlv_epi32(word, shift), _mm256_set1_epi32((1 << bits) - 1));
  return _mm256_add_epi32(code, _mm256_set1_epi32(matrix.zero_offset));
}

/// The sum of all lanes, always in this order.
inline float reduce_add(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

inline float reduce_max(__m256 v) {
  __m128 peak = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  peak = _mm_max_ps(peak, _mm_movehl_ps(peak, peak));
  peak = _mm_max_ss(peak, _mm_movehdup_ps(peak));
  return _mm_cvtss_f32(peak);
}

/// 2^n for integral n of [-150, 128], as two factors, since one exponent field cannot hold the
/// smallest and largest of them.
inline __m256 scale_by_power(__m256 x, __m256 n) {
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i rest = _mm256_sub_epi32(whole, half);
  const __m256i bias = _mm256_set1_epi32(127);
  const auto power = [&](__m256i e) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, bias), 23));
  };
  return _mm256_mul_ps(_mm256_mul_ps(x, power(half)), power(rest));
}

/// e^x, relative error below 2 ulp; 0 far below, infinity far above. Range reduction by ln 2 in two
/// parts and a polynomial of degree 6 on [−ln2/2, ln2/2].
inline __m256 exp(__m256 x) {
  x = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(89.0f)), _mm256_set1_ps(-104.0f));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 720.0f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  return scale_by_power(p, n);
}

inline __m256 sigmoid(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  return _mm256_div_ps(one, _mm256_add_ps(one, exp(_mm256_sub_ps(_mm256_setzero_ps(), x))));
}

inline __m256 silu(__m256 x) { return _mm256_mul_ps(x, sigmoid(x)); }

}  // namespace
}  // namespace hearth::avx2
