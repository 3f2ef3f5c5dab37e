// Which processors a program should run its workers on, and where its memory should lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

struct hwloc_topology;  // hwloc's

namespace hearth {

/// One operating-system processor number per physical core that this process may use: the cores of
/// the most efficient kind first where there are several (performance cores of hybrid processors),
/// else in core order. Hyper-threads add nothing to memory-bound kernels, so each core is listed
/// once.
std::vector<int> physical_cores();

/// The same for a loaded topology, of which the `allowed` processors may be used.
std::vector<int> physical_cores(hwloc_topology* topology, std::span<const int> allowed);

/// What the processors of this machine are.
struct TopologySummary {
  int processors = 0;  // of the operating system, hyper-threads included
  int cores = 0;
  int usable_cores = 0;  // for this process
  int packages = 0;
  int memory_nodes = 0;
  int core_kinds = 0;             // more than 1: a hybrid processor
  uint64_t last_cache_bytes = 0;  // of all last-level caches together
};

TopologySummary topology_summary();

/// Spreads the pages of memory that has not been touched yet over the memory nodes, so that workers
/// everywhere read it at the speed of all of them. Nothing happens where there is one node, or
/// where the system refuses.
void interleave_over_nodes(void* memory, size_t bytes);

}  // namespace hearth
