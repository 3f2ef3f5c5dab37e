// How fast the disk below a folder reads, past the page cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "os/file_system.h"

namespace hearth {

struct StorageSpeed {
  FileSystemInfo file_system;
  std::string problem;                  // why nothing was measured; empty: it was
  uint64_t file_bytes = 0;              // of what was read
  double write_bytes_per_s = 0;         // direct, in order; 0: an existing file was read
  double sequential_bytes_per_s = 0;    // in pieces of 4 MiB, eight under way
  double random_small_per_s = 0;        // reads of 4 KiB a second, 32 under way
  double random_large_bytes_per_s = 0;  // in pieces of 512 KiB, 32 under way
};

inline constexpr int kStorageDepth = 32;

/// Writes a file of at most `most_bytes` and a tenth of the free space to the folder, reads it with
/// O_DIRECT, and removes it (its name at once, so that nothing stays behind whatever happens).
/// Where nothing can be written, the folder's largest file is read instead. `seconds`: of each
/// measurement. Caches of a virtual machine's host, or of the disk, may still take part.
StorageSpeed measure_storage(const std::filesystem::path& folder, uint64_t most_bytes,
                             double seconds);

}  // namespace hearth
