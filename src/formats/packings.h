// The packings that hearth reads, one source file each; registry.cc lists them.
#pragma once

#include "formats/format.h"

namespace hearth {

/// `.qweight`, `.qzeros`, `.scales`, optionally `.g_idx`: GPTQ v1 and v2, AutoRound's auto_gptq.
extern const Format kGptqFormat;

/// `.weight` in F32, F16 or BF16.
extern const Format kPlainFormat;

}  // namespace hearth
