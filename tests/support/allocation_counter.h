// Counts how often a test program asks for memory: malloc and its kin are replaced by ones that
// count. For programs that are linked with allocation_counter.cc, and without sanitizers, which
// have an allocator of their own.
#pragma once

#include <cstdint>

namespace hearth::testing {

/// Calls of malloc, calloc, realloc and aligned_alloc so far, of all threads.
int64_t allocations();

}  // namespace hearth::testing
