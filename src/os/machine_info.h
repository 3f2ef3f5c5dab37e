// What the system says about the machine and about what it lets this process do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hearth {

/// Where the kernel tells; tests give folders of their own.
struct MachineSources {
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
};

struct MachineInfo {
  std::string hypervisor;  // "kvm", "xen", …, "yes" when only that there is one; empty: none seen
  std::string governor;    // of the first processor; empty where it cannot be read

  uint64_t total_bytes = 0;
  uint64_t swap_bytes = 0;
  std::string transparent_huge_pages;  // "always", "madvise", "never"; empty: the kernel has none
  uint64_t reserved_huge_pages = 0;    // hugetlb, which hearth does not use
  int overcommit_mode = 0;             // vm.overcommit_memory; 2: strict

  std::optional<uint64_t> group_memory_bytes;  // limit of the control group
  std::optional<double> group_processors;      // quota of the control group
  std::optional<uint64_t> locked_bytes;        // RLIMIT_MEMLOCK; none: no limit
  uint64_t open_files = 0;                     // RLIMIT_NOFILE

  std::vector<std::string> gpus;  // names where a driver tells, else vendors
};

MachineInfo read_machine_info(const MachineSources& sources = {});

}  // namespace hearth
