// The table of kernels and their cases.
#pragma once

#include <span>
#include <string_view>

#include "kernels/kernel_set.h"
#include "tests/kernels/check.h"

namespace hearth::kernel_check {

/// The cases of one kernel.
struct KernelCases {
  const char* kernel;
  void (*run)(const KernelSet& set, Check& check);
  /// The kernel's pointer in a set, to tell which sets share it.
  const void* (*pointer)(const KernelSet& set);
};

std::span<const KernelCases> all_kernels();
/// Null when there is none of that name.
const KernelCases* find_kernel(std::string_view name);
/// Prints the result; returns whether all cases passed.
bool run_cases(const KernelCases& cases, const KernelSet& set, Check& check);

}  // namespace hearth::kernel_check
