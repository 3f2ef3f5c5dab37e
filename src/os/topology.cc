#include "os/topology.h"

#include <hwloc.h>
#include <sched.h>

#include <algorithm>

namespace hearth {
namespace {

/// The processors of the affinity mask, for when the topology cannot be read.
std::vector<int> allowed_processors() {
  std::vector<int> processors;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &mask)) processors.push_back(i);
    }
  }
  if (processors.empty()) processors.push_back(0);
  return processors;
}

/// The topology of this machine, loaded once; null when it cannot be read.
hwloc_topology_t machine() {
  static const hwloc_topology_t loaded = [] {
    hwloc_topology_t topology = nullptr;
    if (hwloc_topology_init(&topology) != 0) return hwloc_topology_t{};
    if (hwloc_topology_load(topology) == 0) return topology;
    hwloc_topology_destroy(topology);
    return hwloc_topology_t{};
  }();
  return loaded;
}

/// Rank of a core's kind, the slowest first; 0 where all cores are of one kind.
int kind_of(hwloc_topology_t topology, hwloc_obj_t core) {
  const int kind = hwloc_cpukinds_get_by_cpuset(topology, core->cpuset, 0);
  return kind < 0 ? 0 : kind;
}

}  // namespace

std::vector<int> physical_cores(hwloc_topology* topology, std::span<const int> allowed) {
  struct Core {
    int processor;
    int kind;
  };
  std::vector<Core> cores;
  const int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
  for (int i = 0; i < count; ++i) {
    const hwloc_obj_t core =
        hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, static_cast<unsigned>(i));
    const auto usable = std::find_if(allowed.begin(), allowed.end(), [&](int processor) {
      return hwloc_bitmap_isset(core->cpuset, static_cast<unsigned>(processor));
    });
    if (usable != allowed.end()) cores.push_back({*usable, kind_of(topology, core)});
  }
  std::stable_sort(cores.begin(), cores.end(),
                   [](const Core& a, const Core& b) { return a.kind > b.kind; });
  std::vector<int> processors;
  for (const Core& core : cores) processors.push_back(core.processor);
  return processors;
}

std::vector<int> physical_cores() {
  const std::vector<int> allowed = allowed_processors();
  if (!machine()) return allowed;
  std::vector<int> cores = physical_cores(machine(), allowed);
  return cores.empty() ? allowed : cores;
}

TopologySummary topology_summary() {
  TopologySummary summary;
  const hwloc_topology_t topology = machine();
  summary.usable_cores = static_cast<int>(physical_cores().size());
  if (!topology) {
    summary.processors = static_cast<int>(allowed_processors().size());
    summary.cores = summary.usable_cores;
    summary.packages = summary.memory_nodes = summary.core_kinds = 1;
    return summary;
  }
  const auto count = [&](hwloc_obj_type_t type) {
    return std::max(0, hwloc_get_nbobjs_by_type(topology, type));
  };
  summary.processors = count(HWLOC_OBJ_PU);
  summary.cores = count(HWLOC_OBJ_CORE);
  summary.packages = count(HWLOC_OBJ_PACKAGE);
  summary.memory_nodes = count(HWLOC_OBJ_NUMANODE);
  summary.core_kinds = std::max(1, hwloc_cpukinds_get_nr(topology, 0));
  const hwloc_obj_type_t cache =
      count(HWLOC_OBJ_L3CACHE) > 0 ? HWLOC_OBJ_L3CACHE : HWLOC_OBJ_L2CACHE;
  for (int i = 0; i < count(cache); ++i) {
    summary.last_cache_bytes +=
        hwloc_get_obj_by_type(topology, cache, static_cast<unsigned>(i))->attr->cache.size;
  }
  return summary;
}

void interleave_over_nodes(void* memory, size_t bytes) {
  const hwloc_topology_t topology = machine();
  if (!topology || hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) < 2) return;
  hwloc_set_area_membind(topology, memory, bytes, hwloc_topology_get_allowed_nodeset(topology),
                         HWLOC_MEMBIND_INTERLEAVE, HWLOC_MEMBIND_BYNODESET);  // best effort
}

}  // namespace hearth
