// The AVX-512 kernels.
#pragma once

#include "kernels/kernel_set.h"

namespace hearth::avx512 {

#include "kernels/functions.inc"

/// Tokens of a tile of int8 products in registers.
inline constexpr int kPartTokens = 12;

}  // namespace hearth::avx512
