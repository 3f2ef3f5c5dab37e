// The instruction sets of this build, the slowest first. Each upgrade overwrites what it does
// better in a set made of those below it. Which of them the processor can run is for the caller to
// know (backend/cpu).
#pragma once

#include "kernels/kernel_set.h"

namespace hearth {

/// The slow twin of every kernel: plain C++, the same on every processor.
const KernelSet& reference_kernels();

#if defined(__x86_64__)
void upgrade_to_avx2(KernelSet& set);    // needs AVX2, FMA, F16C
void upgrade_to_avx512(KernelSet& set);  // needs AVX-512 F, BW, DQ, VL, VNNI
#endif

}  // namespace hearth
