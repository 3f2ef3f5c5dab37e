#include "os/topology.h"

#include <gtest/gtest.h>
#include <hwloc.h>

#include <memory>
#include <string>
#include <vector>

namespace hearth {
namespace {

struct Destroy {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using Topology = std::unique_ptr<hwloc_topology, Destroy>;

Topology synthetic(const std::string& description) {
  hwloc_topology_t topology = nullptr;
  EXPECT_EQ(hwloc_topology_init(&topology), 0);
  EXPECT_EQ(hwloc_topology_set_synthetic(topology, description.c_str()), 0);
  EXPECT_EQ(hwloc_topology_load(topology), 0);
  return Topology(topology);
}

void set_kind(hwloc_topology_t topology, int first, int last, int efficiency) {
  const hwloc_bitmap_t processors = hwloc_bitmap_alloc();
  hwloc_bitmap_set_range(processors, static_cast<unsigned>(first), last);
  EXPECT_EQ(hwloc_cpukinds_register(topology, processors, efficiency, 0, nullptr, 0), 0);
  hwloc_bitmap_free(processors);
}

std::vector<int> processors(int count) {
  std::vector<int> all;
  for (int i = 0; i < count; ++i) all.push_back(i);
  return all;
}

TEST(PhysicalCores, OneProcessorPerCore) {
  const Topology topology = synthetic("core:4 pu:2");
  EXPECT_EQ(physical_cores(topology.get(), processors(8)), (std::vector<int>{0, 2, 4, 6}));
}

TEST(PhysicalCores, OnlyAllowedProcessors) {
  const Topology topology = synthetic("core:4 pu:2");
  const std::vector<int> allowed = {1, 4, 5};
  EXPECT_EQ(physical_cores(topology.get(), allowed), (std::vector<int>{1, 4}));
}

TEST(PhysicalCores, PerformanceCoresFirst) {
  const Topology topology = synthetic("core:6 pu:1");
  set_kind(topology.get(), 0, 3, 0);
  set_kind(topology.get(), 4, 5, 1);
  EXPECT_EQ(physical_cores(topology.get(), processors(6)), (std::vector<int>{4, 5, 0, 1, 2, 3}));
}

TEST(PhysicalCores, OfThisMachine) { EXPECT_FALSE(physical_cores().empty()); }

TEST(InterleaveOverNodes, LeavesMemoryUsable) {
  std::vector<char> memory(1 << 20, 'x');
  interleave_over_nodes(memory.data(), memory.size());
  EXPECT_EQ(memory[memory.size() / 2], 'x');
}

}  // namespace
}  // namespace hearth
