// The NEON kernels.
#pragma once

#include "kernels/kernel_set.h"

namespace hearth::neon {

#include "kernels/functions.inc"

}  // namespace hearth::neon
