// Attention over one page of cached tokens: what kernels/attention_pages.h needs of NEON.
#include "kernels/attention_pages.h"
#include "kernels/neon/kernels.h"
#include "kernels/neon/simd.h"

namespace hearth::neon {
namespace {

struct Lanes {
  static constexpr int kLanes = 4;
  static constexpr int kRows = 4;
  static constexpr int kColumns = 4;
  using Float = float32x4_t;

  static HEARTH_INLINE uint32x4_t load_pairs(const uint16_t* halves, int64_t left) {
    return load_words(reinterpret_cast<const uint32_t*>(halves), left);
  }
  static HEARTH_INLINE uint32x4_t all_pairs(uint32_t pair) { return vdupq_n_u32(pair); }
  static HEARTH_INLINE Float low_halves(uint32x4_t pairs) {
    return vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16));
  }
  static HEARTH_INLINE Float high_halves(uint32x4_t pairs) {
    return vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xFFFF0000u)));
  }

  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return neon::load_floats(p, left);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    neon::store_floats(p, v, left);
  }
  static HEARTH_INLINE Float zero() { return vdupq_n_f32(0); }
  static HEARTH_INLINE Float all(float value) { return vdupq_n_f32(value); }
  static HEARTH_INLINE Float multiply(Float a, Float b) { return vmulq_f32(a, b); }
  static HEARTH_INLINE Float add(Float a, Float b) { return vaddq_f32(a, b); }
  static HEARTH_INLINE Float multiply_add(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
  static HEARTH_INLINE Float larger(Float a, Float b) { return vmaxq_f32(a, b); }
  static HEARTH_INLINE Float keep_first(Float v, int64_t left, Float other) {
    const int64_t none = left < 0 ? 0 : left;
    const int32_t lanes[kLanes] = {0, 1, 2, 3};
    const uint32x4_t kept =
        vcltq_s32(vld1q_s32(lanes), vdupq_n_s32(static_cast<int32_t>(lanes_left(none))));
    return vbslq_f32(kept, v, other);
  }
  static HEARTH_INLINE Float exponential(Float v) { return exp(v); }
  static HEARTH_INLINE float largest_lane(Float v) { return vmaxvq_f32(v); }
  static HEARTH_INLINE float sum_lanes(Float v) { return vaddvq_f32(v); }
  static HEARTH_INLINE Float round_to_bf16(Float v, uint16_t* target) {
    const uint32x4_t bits = vreinterpretq_u32_f32(v);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t up = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
    const uint16x4_t halves = vshrn_n_u32(up, 16);
    vst1_u16(target, halves);
    return widen_bf16(halves);
  }
};

}  // namespace

void attend_f32(const AttentionBlock& block) { PageAttention<FloatPages<Lanes>>{}(block); }

void attend_bf16(const AttentionBlock& block) { PageAttention<Bf16Pages<Lanes>>{}(block); }

void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves) {
  for (int64_t i = 0; i < count; ++i) {
    const float wide = codes[i];
    uint32_t bits;
    __builtin_memcpy(&bits, &wide, sizeof bits);
    halves[i] = static_cast<uint16_t>(bits >> 16);
  }
}

}  // namespace hearth::neon
