#include "os/topology.h"

#include <hwloc.h>
#include <sched.h>

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

}  // namespace

std::vector<int> physical_cores() {
  const std::vector<int> allowed = allowed_processors();
  hwloc_topology_t topology;
  if (hwloc_topology_init(&topology) != 0) return allowed;
  std::vector<int> cores;
  if (hwloc_topology_load(topology) == 0) {
    const int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    for (int i = 0; i < count; ++i) {
      const hwloc_obj_t core =
          hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, static_cast<unsigned>(i));
      for (const int processor : allowed) {
        if (hwloc_bitmap_isset(core->cpuset, static_cast<unsigned>(processor))) {
          cores.push_back(processor);
          break;
        }
      }
    }
  }
  hwloc_topology_destroy(topology);
  return cores.empty() ? allowed : cores;
}

}  // namespace hearth
