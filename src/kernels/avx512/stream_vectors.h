// What kernels/int8_stream.h needs of AVX-512.
#pragma once

#include "kernels/avx512/packed.h"
#include "kernels/int8_stream.h"

namespace hearth::avx512 {
namespace {

struct StreamVectors {
  static constexpr int64_t kLanes = avx512::kLanes;
  static constexpr int64_t kWordsAhead = 1024;
  using Float = __m512;
  using Ints = __m512i;

  static HEARTH_INLINE Ints load_ints(const int32_t* p, int64_t left) {
    return left >= kLanes ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32(first_lanes(left), p);
  }
  static HEARTH_INLINE void store_ints(int32_t* p, Ints v, int64_t left) {
    if (left >= kLanes) _mm512_storeu_si512(p, v);
    else _mm512_mask_storeu_epi32(p, first_lanes(left), v);
  }

  using Operand = Ints;
  static HEARTH_INLINE Operand broadcast(int32_t word) { return _mm512_set1_epi32(word); }
  template <int kBits>
  static HEARTH_INLINE Ints add_words(Ints sums, const uint32_t* p, int64_t left,
                                      const Operand* x) {
    const Ints words = load_ints(reinterpret_cast<const int32_t*>(p), left);
    if constexpr (kBits == 8) return _mm512_dpbusd_epi32(sums, words, x[0]);
    const Ints nibbles = _mm512_set1_epi32(0x0F0F0F0F);
    sums = _mm512_dpbusd_epi32(sums, _mm512_and_si512(words, nibbles), x[0]);
    const Ints high = _mm512_and_si512(_mm512_srli_epi32(words, 4), nibbles);
    return _mm512_dpbusd_epi32(sums, high, x[8 / kBits - 1]);
  }

  template <int kBits>
  static HEARTH_INLINE Ints start_factor(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                         int64_t left) {
    return _mm512_sub_epi32(_mm512_setzero_si512(),
                            load_zeros<kBits>(matrix, group, n, left < kLanes ? left : kLanes));
  }
  static HEARTH_INLINE Ints multiply(Ints v, int32_t x) {
    return _mm512_mullo_epi32(v, _mm512_set1_epi32(x));
  }
  static HEARTH_INLINE Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }

  static HEARTH_INLINE Float load_scales(const uint16_t* p, ScaleType type, int64_t left) {
    return halves_to_float(left >= kLanes ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                                          : _mm256_maskz_loadu_epi16(first_lanes(left), p),
                           type);
  }
  static HEARTH_INLINE void add_scaled(float* y, int64_t left, Float scales, float scale,
                                       Ints sum) {
    const __mmask16 lanes = first_lanes(left);
    const Float product = _mm512_fmadd_ps(_mm512_mul_ps(scales, _mm512_set1_ps(scale)),
                                          _mm512_cvtepi32_ps(sum), _mm512_maskz_loadu_ps(lanes, y));
    _mm512_mask_storeu_ps(y, lanes, product);
  }
};

}  // namespace
}  // namespace hearth::avx512
