// The arithmetic limit of plain C++, as the compiler makes it.
#include "kernels/reference/kernels.h"

namespace hearth::reference {

int64_t int8_probe(int64_t rounds) {
  constexpr int kLanes = 64;
  int32_t sums[kLanes] = {};
  int8_t a[kLanes];
  uint8_t b[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    a[i] = static_cast<int8_t>(i - kLanes / 2);
    b[i] = static_cast<uint8_t>(i);
  }
  for (int64_t r = 0; r < rounds; ++r) {
    asm volatile("" : : "r"(a), "r"(b) : "memory");  // the inputs may be others in each round
    for (int i = 0; i < kLanes; ++i) sums[i] += a[i] * b[i];
  }
  asm volatile("" : : "r"(sums) : "memory");
  return rounds * kLanes;
}

int64_t bf16_probe(int64_t rounds) {
  constexpr int kLanes = 32;
  float sums[kLanes] = {};
  float a[kLanes];
  for (int i = 0; i < kLanes; ++i) a[i] = static_cast<float>(i) * 0.125f;
  for (int64_t r = 0; r < rounds; ++r) {
    asm volatile("" : : "r"(a) : "memory");
    for (int i = 0; i < kLanes; ++i) sums[i] += a[i] * a[i];
  }
  asm volatile("" : : "r"(sums) : "memory");
  return rounds * kLanes;
}

}  // namespace hearth::reference
