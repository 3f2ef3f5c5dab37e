// The instruction sets of this build. Each rung overwrites what it does better in a set made of
// those below it. Which of them the processor can run is for the caller to know (backend/cpu).
#pragma once

#include "kernels/kernel_set.h"

namespace hearth {

/// The slow twin of every kernel: plain C++, the same on every processor.
const KernelSet& reference_kernels();

struct KernelRung {
  const char* name;  // as in os/cpu_features.h
  void (*upgrade)(KernelSet& set);
};

/// The rungs above the reference, the slowest first; `count` receives their number.
const KernelRung* kernel_ladder(int* count);

// Each in its folder, compiled with its own flags.
void upgrade_to_avx2(KernelSet& set);
void upgrade_to_avxvnni(KernelSet& set);
void upgrade_to_avx512(KernelSet& set);
void upgrade_to_avx512bf16(KernelSet& set);
void upgrade_to_neon(KernelSet& set);

}  // namespace hearth
