// The arithmetic limits of AVX2 on registers alone: int8 as maddubs, madd and add, which is what
// any weights allow, and fma for bf16 (a bf16 is the upper half of a float).
#include <immintrin.h>

#include "kernels/avx2/kernels.h"

namespace hearth::avx2 {

int64_t int8_probe(int64_t rounds) {
  constexpr int kSums = 10;
  __m256i sums[kSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i weights = _mm256_set1_epi8(3);
  const __m256i activations = _mm256_set1_epi8(-5);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 10
    for (int i = 0; i < kSums; ++i) {
      asm volatile("" : "+x"(weights));  // else the product would be formed once
      const __m256i pairs = _mm256_maddubs_epi16(weights, activations);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, ones));
    }
  }
  for (const __m256i& sum : sums) asm volatile("" : : "x"(sum));
  return rounds * kSums * 32;
}

int64_t bf16_probe(int64_t rounds) {
  constexpr int kSums = 12;
  __m256 sums[kSums];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  const __m256 value = _mm256_set1_ps(0.001f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm256_fmadd_ps(value, value, sums[i]);
  }
  for (const __m256& sum : sums) asm volatile("" : : "x"(sum));
  return rounds * kSums * 8;
}

}  // namespace hearth::avx2
