// How fast the kernels are, on the shapes of Qwen3-Next 80B.
#pragma once

#include <string_view>

#include "kernels/kernel_set.h"

namespace hearth::kernel_check {

/// Prints a line for each shape, number of tokens and place of the weights: GB/s and GMAC/s of one
/// thread. `kernel` restricts it to one kernel; empty: all.
void run_bench(const KernelSet& set, std::string_view kernel);

/// Prints the time of the backend's gated_delta with this set, for one token (its states come from
/// memory) and for prompts.
void bench_gated_delta(const KernelSet& set, int threads);

}  // namespace hearth::kernel_check
