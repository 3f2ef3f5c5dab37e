// Packed weights times int8 activations on registers of 8 lanes, for every instruction set that has
// them (int8_panels.h draws the layout). `Arithmetic` says how products of a lane are formed and
// summed:
//
//   kCentre8                             what it subtracts from the codes of w8
//   kWordsAhead                          as in int8_stream.h
//   tile_tokens(bits), add_rows<bits>    as in int8_panels.h
//   kCodeParts8, codes8<part>(words)     as code_parts and codes there, of w8
//   add_words<bits>(sums, words, x)      adds the products of a vector of words with one token
#pragma once

#include "kernels/avx2/simd.h"
#include "kernels/int8_panels.h"

namespace hearth::avx2 {
namespace {

HEARTH_INLINE __m256i low_codes(__m256i words) {
  return _mm256_and_si256(words, _mm256_set1_epi8(0x0F));
}

HEARTH_INLINE __m256i high_codes(__m256i words) {
  return _mm256_and_si256(_mm256_srli_epi32(words, 4), _mm256_set1_epi8(0x0F));
}

/// add(sums[i][t], i, x) for every vector i and every token t, whose word of inputs is in all lanes
/// of x.
template <int V, int M, typename Add>
HEARTH_INLINE void each_product(const int32_t* inputs, __m256i (&sums)[V][M], Add add) {
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t) {
    const __m256i x = _mm256_set1_epi32(inputs[t]);
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) add(sums[i][t], i, x);
  }
}

/// What int8_panels.h and int8_stream.h need.
template <typename Arithmetic>
struct Int8Vectors : Arithmetic {
  static constexpr int64_t kLanes = avx2::kLanes;
  /// 2 and 4 KiB of each word row.
  static constexpr int64_t panel_vectors(int bits) { return bits == 4 ? 64 : 128; }
  /// Two vectors are a cache line of each word row.
  static constexpr int tile_vectors(int tokens) { return tokens <= 2 ? 4 : 2; }
  static constexpr int code_parts(int bits) { return bits == 4 ? 2 : Arithmetic::kCodeParts8; }
  using Float = __m256;
  using Ints = __m256i;
  using Codes = __m256i;

  static HEARTH_INLINE Ints load_words(const uint32_t* p, int64_t left) {
    return avx2::load_words(p, left);
  }
  template <int kBits, int kPart>
  static HEARTH_INLINE Codes codes(Ints words) {
    if constexpr (kBits == 8) return Arithmetic::template codes8<kPart>(words);
    else return kPart == 0 ? low_codes(words) : high_codes(words);
  }
  template <int kBits>
  static HEARTH_INLINE Ints start_factor(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                         int64_t left) {
    constexpr int kCentre = kBits == 8 ? Arithmetic::kCentre8 : 0;
    return _mm256_sub_epi32(_mm256_set1_epi32(kCentre), load_zeros(matrix, kBits, group, n, left));
  }
  static HEARTH_INLINE Ints multiply(Ints v, int32_t x) {
    return _mm256_mullo_epi32(v, _mm256_set1_epi32(x));
  }
  static HEARTH_INLINE Float load_scales(const uint16_t* p, ScaleType type, int64_t left) {
    return avx2::load_scales(p, type, left);
  }
  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return avx2::load_floats(p, left);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    avx2::store_floats(p, v, left);
  }
  static HEARTH_INLINE Float scaled_sum(Float y, Float scales, float scale, Ints sum) {
    return _mm256_fmadd_ps(_mm256_mul_ps(scales, _mm256_set1_ps(scale)), _mm256_cvtepi32_ps(sum),
                           y);
  }
  static HEARTH_INLINE void add_scaled(float* y, int64_t left, Float scales, float scale,
                                       Ints sum) {
    store_floats(y, scaled_sum(load_floats(y, left), scales, scale, sum), left);
  }

  static HEARTH_INLINE Ints load_ints(const int32_t* p, int64_t left) {
    return load_words(reinterpret_cast<const uint32_t*>(p), left);
  }
  static HEARTH_INLINE void store_ints(int32_t* p, Ints v, int64_t left) {
    if (left >= kLanes) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
    else _mm256_maskstore_epi32(p, lane_mask(left), v);
  }
  static HEARTH_INLINE Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  using Operand = Ints;
  static HEARTH_INLINE Operand broadcast(int32_t word) { return _mm256_set1_epi32(word); }
  template <int kBits>
  static HEARTH_INLINE Ints add_words(Ints sums, const uint32_t* p, int64_t left,
                                      const Operand* x) {
    return Arithmetic::template add_words<kBits>(sums, load_words(p, left), x);
  }
};

}  // namespace
}  // namespace hearth::avx2
