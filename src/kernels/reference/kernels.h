// The reference kernels.
#pragma once

#include "kernels/kernel_set.h"

namespace hearth::reference {

#include "kernels/functions.inc"

}  // namespace hearth::reference
