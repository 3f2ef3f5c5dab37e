// AVX-512 with dot products of bf16: attention. All else is AVX-512's.
#include "kernels/avx512/lanes.h"
#include "kernels/ladder.h"
#include "kernels/page_attention.h"

namespace hearth {
namespace avx512bf16 {
namespace {

struct DotPages : avx512::Lanes {
  static constexpr int kRows = 6;
  using Element = uint16_t;
  using Words = __m512i;
  static constexpr int kPacked = 2;

  static HEARTH_INLINE Words load(const uint16_t* halves, int64_t left) {
    return load_pairs(halves, left);
  }
  // Written as instructions: from the intrinsics GCC 12 makes copies of the sums.
  static HEARTH_INLINE Words broadcast(const uint16_t* pair) {
    Words all;
    asm volatile("vpbroadcastd %1, %0"
                 : "=v"(all)
                 : "m"(*reinterpret_cast<const uint16_t(*)[2]>(pair)));
    return all;
  }
  static HEARTH_INLINE void dot(Float& sum, Words a, Words b) {
    asm volatile("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
  static HEARTH_INLINE Float round(Float v, uint16_t* target) {
    const __m256i halves = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), halves);
    return avx512::bf16_to_float(halves);
  }
};

void attend_bf16(const AttentionBlock& block) { PageAttention<DotPages>{}(block); }

}  // namespace
}  // namespace avx512bf16

void upgrade_to_avx512bf16(KernelSet& set) {
  set.name = "avx512bf16";
  set.attend_bf16 = avx512bf16::attend_bf16;
}

}  // namespace hearth
