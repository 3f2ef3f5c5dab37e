// What kind of file system a folder is on, and how it treats large files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace hearth {

struct FileSystemInfo {
  std::string type;         // as the kernel calls it: "ext4", "tmpfs", "overlay"; "unknown"
  std::string device;       // what is mounted: "/dev/nvme0n1p2", "tmpfs"
  std::string options;      // of the mount
  uint64_t free_bytes = 0;  // for this user
  uint64_t total_bytes = 0;

  bool in_memory() const { return type == "tmpfs" || type == "ramfs" || type == "hugetlbfs"; }
};

/// `mounts`: tests give a file of their own. A path that does not exist is looked up by the nearest
/// folder above it that does.
FileSystemInfo file_system_of(const std::filesystem::path& path,
                              const std::filesystem::path& mounts = "/proc/self/mountinfo");

/// Whether files there are mapped in huge pages: memory file systems can, disks cannot.
bool maps_in_huge_pages(const std::filesystem::path& path);

}  // namespace hearth
