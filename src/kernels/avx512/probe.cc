// The arithmetic limits of AVX-512 on registers alone: vpdpbusd, and vdpbf16ps where the processor
// has it, else fma.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

constexpr int kSums = 16;

__attribute__((target("avx512bf16"))) int64_t dot_bf16(int64_t rounds) {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const __m512bh values = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.001f), _mm512_set1_ps(0.002f));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], values, values);
  }
  for (const __m512& sum : sums) asm volatile("" : : "v"(sum));
  return rounds * kSums * 32;
}

int64_t fma_float(int64_t rounds) {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const __m512 value = _mm512_set1_ps(0.001f);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_fmadd_ps(value, value, sums[i]);
  }
  for (const __m512& sum : sums) asm volatile("" : : "v"(sum));
  return rounds * kSums * 16;
}

}  // namespace

int64_t int8_probe(int64_t rounds) {
  __m512i sums[kSums];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  const __m512i weights = _mm512_set1_epi8(3);
  const __m512i activations = _mm512_set1_epi8(-5);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], weights, activations);
  }
  for (const __m512i& sum : sums) asm volatile("" : : "v"(sum));
  return rounds * kSums * 64;
}

int64_t bf16_probe(int64_t rounds) {
  return __builtin_cpu_supports("avx512bf16") ? dot_bf16(rounds) : fma_float(rounds);
}

}  // namespace hearth::avx512
