#include "os/memory_info.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace hearth {
namespace {

/// The value of a "Name:  123 kB" line of a /proc file, in bytes; 0 when it is not there.
uint64_t kilobyte_field(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string key; file >> key;) {
    uint64_t value = 0;
    if (key == name + ":" && file >> value) return value * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

/// Bytes that the control group (version 2) still allows.
uint64_t control_group_left() {
  std::ifstream limit_file("/sys/fs/cgroup/memory.max");
  std::ifstream used_file("/sys/fs/cgroup/memory.current");
  uint64_t limit = 0;
  uint64_t used = 0;
  if (!(limit_file >> limit) || !(used_file >> used)) {  // "max" is not a number
    return std::numeric_limits<uint64_t>::max();
  }
  return limit > used ? limit - used : 0;
}

}  // namespace

uint64_t available_memory_bytes() {
  const uint64_t system = kilobyte_field("/proc/meminfo", "MemAvailable");
  return std::min(system ? system : std::numeric_limits<uint64_t>::max(), control_group_left());
}

uint64_t anonymous_memory_bytes() { return kilobyte_field("/proc/self/status", "RssAnon"); }

}  // namespace hearth
