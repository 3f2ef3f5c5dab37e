// What the system says about this process: its file, its age and its peak of memory.
#pragma once

#include <cstdint>
#include <filesystem>

namespace hearth {

/// Seconds since the process was started, to a hundredth; 0 when unknown.
double process_age_seconds();

/// Where this program's file is.
std::filesystem::path program_folder();

/// The most memory that was resident at once, mapped files included, since the start or the last
/// reset_peak_memory(); 0 when unknown.
uint64_t peak_memory_bytes();

/// Makes the peak the present size. False where the system does not allow it.
bool reset_peak_memory();

}  // namespace hearth
