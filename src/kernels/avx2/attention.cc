// Attention over one page of cached tokens: what kernels/attention_pages.h needs of AVX2.
#include "kernels/attention_pages.h"
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

struct Lanes {
  static constexpr int kLanes = 8;
  static constexpr int kRows = 4;
  static constexpr int kColumns = 2;
  using Float = __m256;

  static HEARTH_INLINE __m256i load_pairs(const uint16_t* halves, int64_t left) {
    return load_words(reinterpret_cast<const uint32_t*>(halves), left);
  }
  static HEARTH_INLINE __m256i all_pairs(uint32_t pair) {
    return _mm256_set1_epi32(static_cast<int>(pair));
  }
  static HEARTH_INLINE Float low_halves(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  }
  static HEARTH_INLINE Float high_halves(__m256i pairs) {
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xFFFF0000u));
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, high));
  }

  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return avx2::load_floats(p, left);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    avx2::store_floats(p, v, left);
  }
  static HEARTH_INLINE Float zero() { return _mm256_setzero_ps(); }
  static HEARTH_INLINE Float all(float value) { return _mm256_set1_ps(value); }
  static HEARTH_INLINE Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static HEARTH_INLINE Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static HEARTH_INLINE Float multiply_add(Float a, Float b, Float c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  static HEARTH_INLINE Float larger(Float a, Float b) { return _mm256_max_ps(a, b); }
  static HEARTH_INLINE Float keep_first(Float v, int64_t left, Float other) {
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(lane_mask(left < 0 ? 0 : left)));
  }
  static HEARTH_INLINE Float exponential(Float v) { return exp(v); }
  static HEARTH_INLINE float largest_lane(Float v) { return reduce_max(v); }
  static HEARTH_INLINE float sum_lanes(Float v) { return reduce_add(v); }
  static HEARTH_INLINE Float round_to_bf16(Float v, uint16_t* target) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i halves = _mm256_srli_epi32(up, 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target), narrow(halves));
    return _mm256_castsi256_ps(_mm256_slli_epi32(halves, 16));
  }
  /// Lanes of at most 16 bits each.
  static HEARTH_INLINE __m128i narrow(__m256i lanes) {
    return _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  }
};

}  // namespace

void attend_f32(const AttentionBlock& block) { PageAttention<FloatPages<Lanes>>{}(block); }

void attend_bf16(const AttentionBlock& block) { PageAttention<Bf16Pages<Lanes>>{}(block); }

void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i));
    const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    const __m256i bits = _mm256_srli_epi32(_mm256_castps_si256(wide), 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves + i), Lanes::narrow(bits));
  }
  for (; i < count; ++i) {
    const float wide = codes[i];
    uint32_t bits;
    __builtin_memcpy(&bits, &wide, sizeof bits);
    halves[i] = static_cast<uint16_t>(bits >> 16);
  }
}

}  // namespace hearth::avx2
