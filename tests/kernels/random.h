// Reproducible random input.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace hearth::kernel_check {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  /// splitmix64 (Steele, Lea and Flood 2014).
  uint64_t bits() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  /// Of [low, high], both included.
  int64_t integer(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(bits() % static_cast<uint64_t>(high - low + 1));
  }
  bool coin() { return (bits() >> 32 & 1) != 0; }
  /// Of (0, 1).
  double uniform() { return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52; }
  float normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return static_cast<float>(radius * std::cos(2.0 * std::numbers::pi * uniform()));
  }
  template <typename Choice, size_t N>
  const Choice& pick(const Choice (&choices)[N]) {
    return choices[bits() % N];
  }

 private:
  uint64_t state_;
};

}  // namespace hearth::kernel_check
