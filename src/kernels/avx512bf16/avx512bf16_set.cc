// AVX-512 with dot products of bf16: attention. All else is AVX-512's.
#include "kernels/avx512/vector.h"
#include "kernels/ladder.h"
#include "kernels/page_attention.h"

namespace hearth {
namespace avx512bf16 {
namespace {

struct Vectors {
  static constexpr int kLanes = 16;
  static constexpr int kRows = 6;
  static constexpr int kColumns = 4;
  using Float = __m512;
  using Words = __m512i;
  using Pair = __m512i;

  static HEARTH_INLINE Words load(const uint16_t* pairs) { return _mm512_loadu_si512(pairs); }
  static HEARTH_INLINE Words load_part(const uint16_t* pairs, int64_t left) {
    return _mm512_maskz_loadu_epi32(avx512::first_lanes(left), pairs);
  }
  // Written as instructions: from the intrinsics GCC 12 makes copies of the sums.
  static HEARTH_INLINE Pair broadcast(const uint16_t* pair) {
    Pair all;
    asm volatile("vpbroadcastd %1, %0"
                 : "=v"(all)
                 : "m"(*reinterpret_cast<const uint16_t(*)[2]>(pair)));
    return all;
  }
  static HEARTH_INLINE void dot(Float& sum, Words words, Pair pair) {
    asm volatile("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(words), "v"(pair));
  }

  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return left >= kLanes ? _mm512_loadu_ps(p)
                          : _mm512_maskz_loadu_ps(avx512::first_lanes(left), p);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    if (left >= kLanes) _mm512_storeu_ps(p, v);
    else _mm512_mask_storeu_ps(p, avx512::first_lanes(left), v);
  }
  static HEARTH_INLINE Float zero() { return _mm512_setzero_ps(); }
  static HEARTH_INLINE Float all(float value) { return _mm512_set1_ps(value); }
  static HEARTH_INLINE Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static HEARTH_INLINE Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static HEARTH_INLINE Float larger(Float a, Float b) { return _mm512_max_ps(a, b); }
  static HEARTH_INLINE Float keep_first(Float v, int64_t left, Float other) {
    const __mmask16 kept = left <= 0 ? __mmask16{0} : avx512::first_lanes(left);
    return _mm512_mask_mov_ps(other, kept, v);
  }
  static HEARTH_INLINE Float exponential(Float v) { return avx512::exp_ps(v); }
  static HEARTH_INLINE float largest_lane(Float v) { return _mm512_reduce_max_ps(v); }
  static HEARTH_INLINE float sum_lanes(Float v) { return avx512::sum_lanes(v); }
  static HEARTH_INLINE Float round_to_bf16(Float v, uint16_t* target) {
    const __m256i halves = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), halves);
    return avx512::bf16_to_float(halves);
  }
};

void attend_bf16(const AttentionBlock& block) { PageAttention<Vectors>{}(block); }

}  // namespace
}  // namespace avx512bf16

void upgrade_to_avx512bf16(KernelSet& set) {
  set.name = "avx512bf16";
  set.attend_bf16 = avx512bf16::attend_bf16;
}

}  // namespace hearth
