// How much memory there is.
#pragma once

#include <cstdint>
#include <filesystem>

namespace hearth {

/// Where the kernel tells; tests give folders of their own.
struct MemorySources {
  std::filesystem::path proc = "/proc";
  std::filesystem::path control_groups = "/sys/fs/cgroup";
};

/// Bytes that can be taken without swapping: the least of the system's available memory and what
/// is left of the process's control group and of those around it (version 2; pages of files that a
/// group holds count as left, since the kernel gives them up first). No limit known: the largest
/// number.
uint64_t available_memory_bytes(const MemorySources& sources = {});

/// Memory that this process occupies now, pages of mapped files among it, in bytes; 0 when unknown.
uint64_t resident_memory_bytes();

/// Anonymous memory that this process holds now (not mapped files), in bytes; 0 when unknown.
uint64_t anonymous_memory_bytes();

}  // namespace hearth
