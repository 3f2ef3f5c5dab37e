// How much memory there is.
#pragma once

#include <cstdint>

namespace hearth {

/// Bytes that can be taken without swapping: the least of the system's available memory and what
/// is left of the process's control group. No limit known: the largest number.
uint64_t available_memory_bytes();

/// Anonymous memory that this process holds now (not mapped files), in bytes; 0 when unknown.
uint64_t anonymous_memory_bytes();

}  // namespace hearth
