// Available memory from made-up kernel files, and refusals to lock.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "base/error.h"
#include "os/memory_block.h"
#include "os/memory_info.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using testing::write_file;

class FakeKernel {
 public:
  FakeKernel() {
    fs::create_directories(folder_.path() / "proc" / "self");
    fs::create_directories(folder_.path() / "cgroup" / "outer" / "inner");
    write("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    5000 kB\n");
    write("proc/self/cgroup", "0::/outer/inner\n");
  }
  void write(const std::string& path, const std::string& text) {
    write_file(folder_.path() / path, text);
  }
  uint64_t available() const {
    return available_memory_bytes({folder_.path() / "proc", folder_.path() / "cgroup"});
  }

 private:
  TempFolder folder_;
};

TEST(MemoryInfo, TheLeastOfSystemAndAllControlGroupsCounts) {
  FakeKernel kernel;
  EXPECT_EQ(kernel.available(), 5000u * 1024);
  kernel.write("cgroup/outer/inner/memory.max", "max\n");
  kernel.write("cgroup/outer/inner/memory.current", "100\n");
  EXPECT_EQ(kernel.available(), 5000u * 1024);
  kernel.write("cgroup/outer/memory.max", "3000000\n");
  kernel.write("cgroup/outer/memory.current", "1000000\n");
  EXPECT_EQ(kernel.available(), 2000000u);
  kernel.write("cgroup/outer/inner/memory.max", "90\n");
  EXPECT_EQ(kernel.available(), 0u);
}

TEST(MemoryInfo, PagesOfFilesCountAsLeft) {
  FakeKernel kernel;
  kernel.write("cgroup/outer/memory.max", "3000000\n");
  kernel.write("cgroup/outer/memory.current", "2900000\n");
  kernel.write("cgroup/outer/memory.stat", "anon 100\nactive_file 500000\ninactive_file 300000\n");
  EXPECT_EQ(kernel.available(), 900000u);
}

TEST(MemoryInfo, NoLimitKnownIsTheLargestNumber) {
  const TempFolder empty;
  EXPECT_EQ(available_memory_bytes({empty.path(), empty.path()}),
            std::numeric_limits<uint64_t>::max());
}

TEST(MemoryBlock, ARefusalToLockNamesTheLimitAndTheWayOut) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
  constexpr uid_t kNobody = 65534;
  const bool root = geteuid() == 0;  // who may lock what it likes
  ASSERT_TRUE(!root || seteuid(kNobody) == 0);
  MemoryBlock block(size_t{4} << 20);
  try {
    block.lock();
    ADD_FAILURE() << "no error";
  } catch (const MemoryError& error) {
    for (const char* part : {"4.0 MiB", "0.0 MiB may be locked", "ulimit -l unlimited"}) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
  ASSERT_TRUE(!root || seteuid(0) == 0);
  setrlimit(RLIMIT_MEMLOCK, &before);
}

}  // namespace
}  // namespace hearth
