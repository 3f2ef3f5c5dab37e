// The AVX2 kernels.
#pragma once

#include "kernels/kernel_set.h"

namespace hearth::avx2 {

#include "kernels/functions.inc"

}  // namespace hearth::avx2
