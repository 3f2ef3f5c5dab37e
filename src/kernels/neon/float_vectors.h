// The registers of NEON for the algorithms that sets share: float_products.h, elementwise.h.
#pragma once

#include "kernels/neon/simd.h"

namespace hearth::neon {
namespace {

struct FloatVectors {
  static constexpr int64_t kLanes = neon::kLanes;
  using Float = float32x4_t;
  using Words = uint32x4_t;
  using Ints = int32x4_t;

  static HEARTH_INLINE Float zero() { return vdupq_n_f32(0.0f); }
  static HEARTH_INLINE Float load(const float* p, int64_t left) { return load_floats(p, left); }
  static HEARTH_INLINE Float load_bf16(const uint16_t* p, int64_t left) {
    return widen_bf16(load_halves(p, left));
  }
  static HEARTH_INLINE Float load_f16(const uint16_t* p, int64_t left) {
    return widen_f16(load_halves(p, left));
  }
  static HEARTH_INLINE void store(float* p, Float v, int64_t left) { store_floats(p, v, left); }
  static HEARTH_INLINE Float multiply_add(Float sum, Float v, Float w) {
    return vfmaq_f32(sum, v, w);
  }
  static HEARTH_INLINE Float multiply_add(Float sum, Float v, const float* x) {
    return vfmaq_n_f32(sum, v, *x);
  }

  // Products.

  static constexpr int packed_vectors(int /*tokens*/) { return 4; }
  /// Sums enough to hide the latency of fma. One token's rows are streams that processors prefetch.
  static constexpr int plain_rows(int tokens) { return tokens <= 2 ? 8 : 4; }
  static constexpr bool kAsksForRows = false;

  static HEARTH_INLINE Words load_words(const uint32_t* p, int64_t left) {
    return neon::load_words(p, left);
  }
  static HEARTH_INLINE Float load_scales(const uint16_t* p, ScaleType type, int64_t left) {
    return neon::load_scales(p, type, left);
  }
  static HEARTH_INLINE Ints load_zeros(const QuantizedMatrix& matrix, int bits, int64_t group,
                                       int64_t n, int64_t left) {
    return neon::load_zeros(matrix, bits, group, n, left);
  }
  template <int kBits>
  static HEARTH_INLINE Float take_code(Words& words, Ints zeros) {
    const uint32x4_t code = vandq_u32(words, vdupq_n_u32((1u << kBits) - 1));
    words = vshrq_n_u32(words, kBits);
    return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(code), zeros));
  }
  static HEARTH_INLINE float sum_lanes(Float v) { return vaddvq_f32(v); }
};

}  // namespace
}  // namespace hearth::neon
