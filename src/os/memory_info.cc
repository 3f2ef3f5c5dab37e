#include "os/memory_info.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

void skip_line(std::ifstream& file) {
  file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
}

/// The value behind a line's first word; 0 when there is no such line.
uint64_t field(const fs::path& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string key; file >> key; skip_line(file)) {
    uint64_t value = 0;
    if (key == name && file >> value) return value;
  }
  return 0;
}

/// Bytes that one control group still allows.
uint64_t left_of_group(const fs::path& group) {
  std::ifstream limit_file(group / "memory.max");
  std::ifstream used_file(group / "memory.current");
  uint64_t limit = 0;
  uint64_t used = 0;
  if (!(limit_file >> limit) || !(used_file >> used)) return kNoLimit;  // "max" is not a number
  const fs::path statistics = group / "memory.stat";
  const uint64_t files = field(statistics, "active_file") + field(statistics, "inactive_file");
  used -= std::min(used, files);
  return limit > used ? limit - used : 0;
}

/// The process's group below the root, e.g. "user.slice/session-1.scope"; empty: the root.
fs::path own_group(const fs::path& proc) {
  std::ifstream file(proc / "self" / "cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return fs::path(line.substr(4));
  }
  return {};
}

uint64_t control_groups_left(const MemorySources& sources) {
  uint64_t left = left_of_group(sources.control_groups);
  fs::path group = sources.control_groups;
  for (const fs::path& part : own_group(sources.proc)) {
    group /= part;
    left = std::min(left, left_of_group(group));
  }
  return left;
}

}  // namespace

uint64_t available_memory_bytes(const MemorySources& sources) {
  const uint64_t system = field(sources.proc / "meminfo", "MemAvailable:") * 1024;
  return std::min(system ? system : kNoLimit, control_groups_left(sources));
}

uint64_t resident_memory_bytes() { return field("/proc/self/status", "VmRSS:") * 1024; }

uint64_t anonymous_memory_bytes() { return field("/proc/self/status", "RssAnon:") * 1024; }

}  // namespace hearth
