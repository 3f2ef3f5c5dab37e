// Small vocabulary of the NEON kernels. Everything has internal linkage: these functions are
// compiled with flags that other files must not inherit. NEON has no masked loads: ends of rows go
// through a register's worth of stack.
#pragma once

#include <arm_neon.h>
#include <stdint.h>

#include "kernels/inline.h"
#include "tensor/quantized_matrix.h"

namespace hearth::neon {
namespace {

constexpr int64_t kLanes = 4;

inline int64_t lanes_left(int64_t left) { return left < kLanes ? left : kLanes; }

/// Up to 4 values; the rest are 0.
inline float32x4_t load_floats(const float* p, int64_t left) {
  if (left >= kLanes) return vld1q_f32(p);
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < left; ++i) lanes[i] = p[i];
  return vld1q_f32(lanes);
}

inline void store_floats(float* p, float32x4_t v, int64_t left) {
  if (left >= kLanes) {
    vst1q_f32(p, v);
    return;
  }
  float lanes[kLanes];
  vst1q_f32(lanes, v);
  for (int64_t i = 0; i < left; ++i) p[i] = lanes[i];
}

inline uint32x4_t load_words(const uint32_t* p, int64_t left) {
  if (left >= kLanes) return vld1q_u32(p);
  uint32_t lanes[kLanes] = {};
  for (int64_t i = 0; i < left; ++i) lanes[i] = p[i];
  return vld1q_u32(lanes);
}

inline uint16x4_t load_halves(const uint16_t* p, int64_t left) {
  if (left >= kLanes) return vld1_u16(p);
  uint16_t lanes[kLanes] = {};
  for (int64_t i = 0; i < left; ++i) lanes[i] = p[i];
  return vld1_u16(lanes);
}

inline float32x4_t widen_bf16(uint16x4_t halves) {
  return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

inline float32x4_t widen_f16(uint16x4_t halves) {
  return vcvt_f32_f16(vreinterpret_f16_u16(halves));
}

/// Up to 4 scales of a packed matrix, as floats.
inline float32x4_t load_scales(const uint16_t* scales, ScaleType type, int64_t left) {
  const uint16x4_t halves = load_halves(scales, left);
  return type == ScaleType::kF16 ? widen_f16(halves) : widen_bf16(halves);
}

/// Zero points of up to 4 columns from n on: fields of one word or two, which are joined and
/// shifted so that the first field comes lowest; then each lane shifts its own down.
inline int32x4_t load_zeros(const QuantizedMatrix& matrix, int bits, int64_t group, int64_t n,
                            int64_t left) {
  if (!matrix.zeros) return vdupq_n_s32(1 << (bits - 1));
  const int64_t per_word = 32 / bits;
  const int64_t skipped = n % per_word;
  const uint32_t* first = matrix.zeros + group * (matrix.rows / per_word) + n / per_word;
  uint64_t packed = *first;
  if (skipped + lanes_left(left) > per_word) packed |= static_cast<uint64_t>(first[1]) << 32;
  const uint32_t fields = static_cast<uint32_t>(packed >> (bits * skipped));
  const int32_t shifts[kLanes] = {0, -bits, -2 * bits, -3 * bits};
  const uint32x4_t code =
      vandq_u32(vshlq_u32(vdupq_n_u32(fields), vld1q_s32(shifts)), vdupq_n_u32((1u << bits) - 1));
  return vaddq_s32(vreinterpretq_s32_u32(code), vdupq_n_s32(matrix.zero_offset));
}

/// 2^n for integral n of [-150, 128], as two factors, since one exponent field cannot hold the
/// smallest and largest of them.
inline float32x4_t scale_by_power(float32x4_t x, float32x4_t n) {
  const int32x4_t whole = vcvtq_s32_f32(n);
  const int32x4_t half = vshrq_n_s32(whole, 1);
  const int32x4_t rest = vsubq_s32(whole, half);
  const auto power = [](int32x4_t e) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(e, vdupq_n_s32(127)), 23));
  };
  return vmulq_f32(vmulq_f32(x, power(half)), power(rest));
}

/// e^x, relative error below 2 ulp; 0 far below, infinity far above. Range reduction by ln 2 in two
/// parts and a polynomial of degree 6 on [−ln2/2, ln2/2].
inline float32x4_t exp(float32x4_t x) {
  x = vmaxq_f32(vminq_f32(x, vdupq_n_f32(89.0f)), vdupq_n_f32(-104.0f));
  const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
  float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0.693359375f));
  r = vfmsq_f32(r, n, vdupq_n_f32(-2.12194440e-4f));
  float32x4_t p = vdupq_n_f32(1.0f / 720.0f);
  constexpr float kTerms[] = {1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f, 1.0f, 1.0f};
  for (int i = 0; i < 6; ++i) p = vfmaq_f32(vdupq_n_f32(kTerms[i]), p, r);
  return scale_by_power(p, n);
}

inline float32x4_t sigmoid(float32x4_t x) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  return vdivq_f32(one, vaddq_f32(one, exp(vnegq_f32(x))));
}

inline float32x4_t silu(float32x4_t x) { return vmulq_f32(x, sigmoid(x)); }

}  // namespace
}  // namespace hearth::neon
