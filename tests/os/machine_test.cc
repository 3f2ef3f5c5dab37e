#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "os/file_system.h"
#include "os/machine_info.h"
#include "os/storage_probe.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::TempFolder;

void put(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(MachineInfo, ReadsWhatTheKernelTells) {
  const TempFolder folder;
  const MachineSources sources{folder.path() / "proc", folder.path() / "sys"};
  put(sources.proc / "meminfo", "MemTotal:  2048 kB\nMemFree: 1 kB\nSwapTotal: 4 kB\n");
  put(sources.proc / "cpuinfo", "processor : 0\nflags : fpu hypervisor avx2\n");
  put(sources.proc / "self/cgroup", "0::/a/b\n");
  put(sources.proc / "sys/vm/overcommit_memory", "2\n");
  put(sources.proc / "sys/vm/nr_hugepages", "7\n");
  put(sources.proc / "driver/nvidia/gpus/0000:01:00.0/information",
      "Model: \t\t GeForce X\nIRQ: 1\n");
  put(sources.sys / "bus/pci/devices/0000:01:00.0/class", "0x030000\n");
  put(sources.sys / "bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
  put(sources.sys / "bus/pci/devices/0000:02:00.0/class", "0x020000\n");  // a network card
  put(sources.sys / "bus/pci/devices/0000:02:00.0/vendor", "0x8086\n");
  put(sources.sys / "kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  put(sources.sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  put(sources.sys / "fs/cgroup/a/memory.max", "1000000\n");
  put(sources.sys / "fs/cgroup/a/cpu.max", "max 100000\n");
  put(sources.sys / "fs/cgroup/a/b/memory.max", "max\n");
  put(sources.sys / "fs/cgroup/a/b/cpu.max", "150000 100000\n");
  const MachineInfo info = read_machine_info(sources);
  EXPECT_EQ(info.total_bytes, 2048u * 1024);
  EXPECT_EQ(info.swap_bytes, 4096u);
  EXPECT_EQ(info.hypervisor, "yes");
  EXPECT_EQ(info.governor, "powersave");
  EXPECT_EQ(info.transparent_huge_pages, "madvise");
  EXPECT_EQ(info.reserved_huge_pages, 7u);
  EXPECT_EQ(info.overcommit_mode, 2);
  EXPECT_EQ(info.group_memory_bytes, 1000000u);
  EXPECT_EQ(info.group_processors, 1.5);
  EXPECT_EQ(info.gpus, std::vector<std::string>{"GeForce X"});
}

TEST(MachineInfo, NothingToldIsNothingKnown) {
  const TempFolder folder;
  const MachineInfo info = read_machine_info({folder.path(), folder.path()});
  EXPECT_EQ(info.total_bytes, 0u);
  EXPECT_EQ(info.hypervisor, "");
  EXPECT_EQ(info.transparent_huge_pages, "");
  EXPECT_FALSE(info.group_memory_bytes);
  EXPECT_FALSE(info.group_processors);
  EXPECT_TRUE(info.gpus.empty());
}

TEST(FileSystem, KnowsWhereAFolderLies) {
  const FileSystemInfo proc = file_system_of("/proc");
  EXPECT_EQ(proc.type, "proc");
  EXPECT_FALSE(maps_in_huge_pages("/proc"));
  const TempFolder folder;
  const FileSystemInfo here = file_system_of(folder.path() / "not" / "there");
  EXPECT_EQ(here.type, file_system_of(folder.path()).type);
  EXPECT_GT(here.total_bytes, 0u);
  EXPECT_EQ(file_system_of(folder.path(), folder.path() / "none").type, "unknown");
}

TEST(Storage, MeasuresAndLeavesNothingBehind) {
  const TempFolder folder;
  const StorageSpeed speed = measure_storage(folder.path(), uint64_t{32} << 20, 0.05);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  if (!speed.problem.empty()) GTEST_SKIP() << speed.problem;
  EXPECT_EQ(speed.file_bytes, uint64_t{32} << 20);
  EXPECT_GT(speed.write_bytes_per_s, 0);
  EXPECT_GT(speed.sequential_bytes_per_s, 0);
  EXPECT_GT(speed.random_small_per_s, 0);
  EXPECT_GT(speed.random_large_bytes_per_s, 0);
}

TEST(Storage, SaysWhyItDidNotMeasure) {
  EXPECT_NE(measure_storage("/proc", uint64_t{32} << 20, 0.05).problem, "");
  const TempFolder folder;
  EXPECT_EQ(measure_storage(folder.path(), 0, 0.05).problem, "there is too little free space");
}

}  // namespace
}  // namespace hearth
