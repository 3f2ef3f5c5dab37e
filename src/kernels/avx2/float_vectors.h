// The registers of AVX2 for the algorithms that sets share: float_products.h, elementwise.h.
#pragma once

#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

struct FloatVectors {
  static constexpr int64_t kLanes = avx2::kLanes;
  using Float = __m256;
  using Words = __m256i;
  using Ints = __m256i;

  static HEARTH_INLINE Float zero() { return _mm256_setzero_ps(); }
  static HEARTH_INLINE Float load(const float* p, int64_t left) { return load_floats(p, left); }
  static HEARTH_INLINE Float load_bf16(const uint16_t* p, int64_t left) {
    return widen_bf16(load_halves(p, left));
  }
  static HEARTH_INLINE Float load_f16(const uint16_t* p, int64_t left) {
    return _mm256_cvtph_ps(load_halves(p, left));
  }
  static HEARTH_INLINE void store(float* p, Float v, int64_t left) { store_floats(p, v, left); }
  static HEARTH_INLINE Float multiply_add(Float sum, Float v, Float w) {
    return _mm256_fmadd_ps(v, w, sum);
  }
  static HEARTH_INLINE Float multiply_add(Float sum, Float v, const float* x) {
    return _mm256_fmadd_ps(v, _mm256_broadcast_ss(x), sum);
  }

  // Products.

  static constexpr int packed_vectors(int tokens) { return tokens <= 2 ? 4 : 2; }
  /// Eight sums or more hide the latency of fma; twelve, three weights and an input fill the
  /// registers.
  static constexpr int plain_rows(int tokens) { return tokens <= 2 ? 4 : 3; }
  static constexpr bool kAsksForRows = true;

  static HEARTH_INLINE Words load_words(const uint32_t* p, int64_t left) {
    return avx2::load_words(p, left);
  }
  static HEARTH_INLINE Float load_scales(const uint16_t* p, ScaleType type, int64_t left) {
    return avx2::load_scales(p, type, left);
  }
  static HEARTH_INLINE Ints load_zeros(const QuantizedMatrix& matrix, int bits, int64_t group,
                                       int64_t n, int64_t left) {
    return avx2::load_zeros(matrix, bits, group, n, left);
  }
  template <int kBits>
  static HEARTH_INLINE Float take_code(Words& words, Ints zeros) {
    const __m256i code = _mm256_and_si256(words, _mm256_set1_epi32((1 << kBits) - 1));
    words = _mm256_srli_epi32(words, kBits);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(code, zeros));
  }
  static HEARTH_INLINE float sum_lanes(Float v) { return reduce_add(v); }
};

}  // namespace
}  // namespace hearth::avx2
