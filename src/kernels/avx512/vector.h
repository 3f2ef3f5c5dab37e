// What the AVX-512 kernels share: masks for tails, 16-bit floats, sums over lanes, exp.
// Everything here is static: no copy of it can be linked into code for older processors.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/inline.h"
#include "kernels/kernel_set.h"

namespace hearth::avx512 {

inline constexpr int64_t kLanes = 16;

/// The first `count` lanes; all of them for 16 and more.
static inline __mmask16 first_lanes(int64_t count) {
  return count >= kLanes ? __mmask16{0xFFFF} : static_cast<__mmask16>((1u << count) - 1u);
}

static inline __m512 bf16_to_float(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

static inline __m512 halves_to_float(__m256i halves, ScaleType type) {
  return type == ScaleType::kF16 ? _mm512_cvtph_ps(halves) : bf16_to_float(halves);
}

/// Lane i of the result is the sum of v's lanes i and i^8, then i^4, i^2, i^1: one fixed tree,
/// the same in every lane, so that sums do not depend on where they were formed.
static inline float sum_lanes(__m512 v) {
  v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0x4E));
  v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0xB1));
  v = _mm512_add_ps(v, _mm512_shuffle_ps(v, v, 0x4E));
  v = _mm512_add_ps(v, _mm512_shuffle_ps(v, v, 0xB1));
  return _mm512_cvtss_f32(v);
}

/// e^x with a relative error below 2e-7; 0 below −105, infinity above 89, NaN for NaN.
/// x = n·ln2 + r with |r| ≤ ln2/2; e^r by its Taylor polynomial, whose remainder r^8/8! is 5e-9.
static inline __m512 exp_ps(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-105.0f), x);
  x = _mm512_min_ps(_mm512_set1_ps(89.0f), x);
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln2 in two parts: n times the first, which has few bits, is exact.
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

static inline float exp_scalar(float x) { return _mm512_cvtss_f32(exp_ps(_mm512_set1_ps(x))); }

/// 1 + e^(−x): x divided by it is silu(x), 1 divided by it sigmoid(x).
static inline __m512 sigmoid_divisor(__m512 x) {
  return _mm512_add_ps(_mm512_set1_ps(1.0f), exp_ps(_mm512_sub_ps(_mm512_setzero_ps(), x)));
}

}  // namespace hearth::avx512
