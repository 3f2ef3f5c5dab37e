// What kernels/attention_pages.h needs of AVX-512.
#pragma once

#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

struct Lanes {
  static constexpr int kLanes = 16;
  static constexpr int kRows = 4;
  static constexpr int kColumns = 4;
  using Float = __m512;

  static HEARTH_INLINE __m512i load_pairs(const uint16_t* halves, int64_t left) {
    return left >= kLanes ? _mm512_loadu_si512(halves)
                          : _mm512_maskz_loadu_epi32(first_lanes(left), halves);
  }
  static HEARTH_INLINE __m512i all_pairs(uint32_t pair) {
    return _mm512_set1_epi32(static_cast<int>(pair));
  }
  static HEARTH_INLINE Float low_halves(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
  }
  static HEARTH_INLINE Float high_halves(__m512i pairs) {
    const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000u));
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, high));
  }

  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return left >= kLanes ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first_lanes(left), p);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    if (left >= kLanes) _mm512_storeu_ps(p, v);
    else _mm512_mask_storeu_ps(p, first_lanes(left), v);
  }
  static HEARTH_INLINE Float zero() { return _mm512_setzero_ps(); }
  static HEARTH_INLINE Float all(float value) { return _mm512_set1_ps(value); }
  static HEARTH_INLINE Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static HEARTH_INLINE Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static HEARTH_INLINE Float multiply_add(Float a, Float b, Float c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  static HEARTH_INLINE Float larger(Float a, Float b) { return _mm512_max_ps(a, b); }
  static HEARTH_INLINE Float keep_first(Float v, int64_t left, Float other) {
    const __mmask16 kept = left <= 0 ? __mmask16{0} : first_lanes(left);
    return _mm512_mask_mov_ps(other, kept, v);
  }
  static HEARTH_INLINE Float exponential(Float v) { return exp_ps(v); }
  static HEARTH_INLINE float largest_lane(Float v) { return _mm512_reduce_max_ps(v); }
  static HEARTH_INLINE float sum_lanes(Float v) { return avx512::sum_lanes(v); }
  static HEARTH_INLINE Float round_to_bf16(Float v, uint16_t* target) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), halves);
    return bf16_to_float(halves);
  }
};

}  // namespace
}  // namespace hearth::avx512
