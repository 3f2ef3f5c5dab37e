#include "os/file_system.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <system_error>

namespace hearth {
namespace {

namespace fs = std::filesystem;

fs::path existing(const fs::path& path) {
  std::error_code error;
  fs::path place = fs::absolute(path, error);
  while (!fs::exists(place, error) && place.has_relative_path()) place = place.parent_path();
  return place;
}

/// Fills in the mount whose device is `device`: lines of mountinfo(5) read
///   ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [FIELD…] - TYPE DEVICE SUPER_OPTIONS
/// Devices identify mounts better than names, which may be hidden by other mounts.
void find_mount(const fs::path& mounts, const std::string& device, FileSystemInfo& info) {
  std::ifstream file(mounts);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string skipped;
    std::string number;
    words >> skipped >> skipped >> number;
    if (number != device) continue;
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream rest(line.substr(dash + 3));
    rest >> info.type >> info.device >> info.options;
    return;
  }
}

}  // namespace

FileSystemInfo file_system_of(const fs::path& path, const fs::path& mounts) {
  FileSystemInfo info;
  info.type = "unknown";
  const fs::path place = existing(path);
  struct stat status {};
  if (stat(place.c_str(), &status) == 0) {
    find_mount(mounts, fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev)), info);
  }
  struct statvfs sizes {};
  if (statvfs(place.c_str(), &sizes) == 0) {
    info.free_bytes = uint64_t{sizes.f_bavail} * sizes.f_frsize;
    info.total_bytes = uint64_t{sizes.f_blocks} * sizes.f_frsize;
  }
  return info;
}

bool maps_in_huge_pages(const fs::path& path) {
  const FileSystemInfo info = file_system_of(path);
  if (info.type == "hugetlbfs") return true;
  return info.type == "tmpfs" && info.options.find("huge=") != std::string::npos &&
         info.options.find("huge=never") == std::string::npos;
}

}  // namespace hearth
