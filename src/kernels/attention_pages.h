// The kinds of pages that kernels/page_attention.h goes through, for any instruction set.
//
// `Lanes` is what a set does with a register of floats: all from kLanes on in the list there, and
//   multiply_add(a, b, c)                a·b + c, rounded once
// and for bf16 with pairs of them, one in each lane:
//   load_pairs(halves, left)             pairs of `left` lanes
//   all_pairs(pair)                      one pair in all lanes
//   low_halves, high_halves (pairs)      the first and the second of each pair, as floats
//   round_to_bf16(v, halves)             stores kLanes bf16 and returns them as floats
#pragma once

#include "kernels/page_attention.h"

namespace hearth {
namespace {

template <typename Lanes>
struct FloatPages : Lanes {
  using Element = float;
  using Words = typename Lanes::Float;
  static constexpr int kPacked = 1;

  static HEARTH_INLINE Words load(const float* floats, int64_t left) {
    return Lanes::load_floats(floats, left);
  }
  static HEARTH_INLINE Words broadcast(const float* one) { return Lanes::all(*one); }
  static HEARTH_INLINE void dot(Words& sum, Words a, Words b) {
    sum = Lanes::multiply_add(a, b, sum);
  }
  static HEARTH_INLINE Words round(Words v, float* target) {
    Lanes::store_floats(target, v, Lanes::kLanes);
    return v;
  }
};

/// For processors that multiply floats only.
template <typename Lanes>
struct Bf16Pages : Lanes {
  using Element = uint16_t;
  using Float = typename Lanes::Float;
  struct Words {
    Float low;
    Float high;
  };
  static constexpr int kPacked = 2;

  static HEARTH_INLINE Words load(const uint16_t* halves, int64_t left) {
    const auto pairs = Lanes::load_pairs(halves, left);
    return {Lanes::low_halves(pairs), Lanes::high_halves(pairs)};
  }
  static HEARTH_INLINE Words broadcast(const uint16_t* halves) {
    uint32_t pair;
    __builtin_memcpy(&pair, halves, sizeof pair);
    const auto pairs = Lanes::all_pairs(pair);
    return {Lanes::low_halves(pairs), Lanes::high_halves(pairs)};
  }
  static HEARTH_INLINE void dot(Float& sum, Words a, Words b) {
    sum = Lanes::multiply_add(a.low, b.low, sum);
    sum = Lanes::multiply_add(a.high, b.high, sum);
  }
  static HEARTH_INLINE Float round(Float v, uint16_t* target) {
    return Lanes::round_to_bf16(v, target);
  }
};

}  // namespace
}  // namespace hearth
