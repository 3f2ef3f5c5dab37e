#include "os/machine_info.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <system_error>

namespace hearth {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

uint64_t number_in(const fs::path& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  file >> value;
  return value;
}

/// Bytes behind a name of meminfo.
uint64_t memory_field(const fs::path& meminfo, const std::string& name) {
  std::ifstream file(meminfo);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    uint64_t kilobytes = 0;
    if (words >> key >> kilobytes && key == name) return kilobytes * 1024;
  }
  return 0;
}

/// The choice in brackets of "always [madvise] never".
std::string chosen(const std::string& line) {
  const size_t open = line.find('[');
  const size_t close = line.find(']');
  return open == std::string::npos || close < open ? "" : line.substr(open + 1, close - open - 1);
}

/// Names of boards and products that hypervisors give to their machines.
std::string hypervisor_of(const MachineSources& sources) {
  bool seen = false;
  std::ifstream cpus(sources.proc / "cpuinfo");
  for (std::string line; !seen && std::getline(cpus, line);) {
    seen = line.starts_with("flags") && line.find(" hypervisor") != std::string::npos;
  }
  const std::string type = first_line(sources.sys / "hypervisor" / "type");
  if (!type.empty()) return type;
  const std::string vendor = first_line(sources.sys / "class" / "dmi" / "id" / "sys_vendor");
  const std::string product = first_line(sources.sys / "class" / "dmi" / "id" / "product_name");
  for (const char* name : {"QEMU", "KVM", "VMware", "VirtualBox", "Xen", "Firecracker",
                           "Amazon EC2", "Google Compute Engine", "Virtual Machine"}) {
    if ((vendor + " " + product).find(name) != std::string::npos) return name;
  }
  return seen ? "yes" : "";
}

/// The tightest limit of the process's control group and of those around it (version 2).
void read_control_groups(const MachineSources& sources, MachineInfo& info) {
  fs::path group = sources.sys / "fs" / "cgroup";
  const auto look = [&] {
    std::ifstream memory(group / "memory.max");
    uint64_t bytes = 0;
    if (memory >> bytes) {
      info.group_memory_bytes = std::min(bytes, info.group_memory_bytes.value_or(bytes));
    }
    std::ifstream cpu(group / "cpu.max");
    double quota = 0;
    double period = 0;
    if (cpu >> quota >> period && period > 0) {
      const double processors = quota / period;
      info.group_processors = std::min(processors, info.group_processors.value_or(processors));
    }
  };
  look();
  std::ifstream file(sources.proc / "self" / "cgroup");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::/")) continue;
    for (const fs::path& part : fs::path(line.substr(4))) {
      group /= part;
      look();
    }
  }
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> find_gpus(const MachineSources& sources) {
  std::vector<std::string> gpus;
  for (const fs::path& gpu : entries(sources.proc / "driver" / "nvidia" / "gpus")) {
    std::ifstream file(gpu / "information");
    for (std::string line; std::getline(file, line);) {
      const size_t name = line.find_first_not_of(" \t", 6);
      if (line.starts_with("Model:") && name != std::string::npos)
        gpus.push_back(line.substr(name));
    }
  }
  const bool named = !gpus.empty();
  for (const fs::path& device : entries(sources.sys / "bus" / "pci" / "devices")) {
    if (!first_line(device / "class").starts_with("0x03")) continue;  // display controllers
    const std::string vendor = first_line(device / "vendor");
    if (vendor == "0x10de" && !named) gpus.push_back("an NVIDIA GPU without its driver");
    if (vendor == "0x1002") gpus.push_back("an AMD GPU");
    if (vendor == "0x8086") gpus.push_back("an Intel GPU");
  }
  return gpus;
}

}  // namespace

MachineInfo read_machine_info(const MachineSources& sources) {
  MachineInfo info;
  const fs::path meminfo = sources.proc / "meminfo";
  info.hypervisor = hypervisor_of(sources);
  info.governor = first_line(sources.sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor");
  info.total_bytes = memory_field(meminfo, "MemTotal:");
  info.swap_bytes = memory_field(meminfo, "SwapTotal:");
  info.transparent_huge_pages =
      chosen(first_line(sources.sys / "kernel/mm/transparent_hugepage/enabled"));
  info.reserved_huge_pages = number_in(sources.proc / "sys/vm/nr_hugepages");
  info.overcommit_mode = static_cast<int>(number_in(sources.proc / "sys/vm/overcommit_memory"));
  read_control_groups(sources, info);
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    info.locked_bytes = limit.rlim_cur;
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) info.open_files = limit.rlim_cur;
  info.gpus = find_gpus(sources);
  return info;
}

}  // namespace hearth
