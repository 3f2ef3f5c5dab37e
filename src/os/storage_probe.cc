#include "os/storage_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <system_error>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "os/descriptor.h"
#include "os/file_reader.h"
#include "os/memory_block.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPieceBytes = uint64_t{4} << 20;
constexpr uint64_t kLeastBytes = uint64_t{16} << 20;  // less says nothing about a disk
constexpr int kSequentialDepth = 8;

struct ProbeFile {
  Descriptor file;
  uint64_t bytes = 0;
  double write_bytes_per_s = 0;
  std::string problem;
};

/// Fills the file in order with bytes that no file system can compress.
void write_file(ProbeFile& probe, uint64_t bytes) {
  MemoryBlock block(kPieceBytes);
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < kPieceBytes / 8; ++i) block.as<uint64_t>()[i] = random();
  const Stopwatch clock;
  for (; probe.bytes < bytes; probe.bytes += kPieceBytes) {
    block.as<uint64_t>()[0] = probe.bytes;  // and none can find the same twice
    const ssize_t put =
        ::pwrite(probe.file.get(), block.data(), kPieceBytes, static_cast<off_t>(probe.bytes));
    if (put == static_cast<ssize_t>(kPieceBytes)) continue;
    probe.problem = fmt::format("writing failed ({})", std::strerror(put < 0 ? errno : ENOSPC));
    return;
  }
  ::fdatasync(probe.file.get());
  probe.write_bytes_per_s = static_cast<double>(bytes) / clock.seconds();
}

ProbeFile temporary_file(const fs::path& folder, uint64_t bytes) {
  std::string name = (folder / ".hearth-probe-XXXXXX").string();
  ProbeFile probe{Descriptor(::mkostemp(name.data(), O_DIRECT | O_CLOEXEC)), 0, 0, ""};
  if (probe.file.get() < 0) {
    probe.problem = errno == EINVAL ? "the file system has no direct reads"
                                    : fmt::format("no file can be made ({})", std::strerror(errno));
    ::unlink(name.c_str());
    return probe;
  }
  ::unlink(name.c_str());
  write_file(probe, bytes);
  return probe;
}

ProbeFile largest_file(const fs::path& folder, const std::string& problem) {
  ProbeFile probe{{}, 0, 0, problem};
  fs::path largest;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error) || entry.file_size(error) <= probe.bytes) continue;
    largest = entry.path();
    probe.bytes = entry.file_size(error);
  }
  probe.bytes = probe.bytes / kPieceBytes * kPieceBytes;
  if (probe.bytes < kLeastBytes) return probe;
  probe.file = Descriptor(::open(largest.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (probe.file.get() >= 0) probe.problem.clear();
  return probe;
}

/// Reads of `bytes` a second, by `depth` threads; in order, or anywhere.
double reads_per_s(const ProbeFile& probe, uint64_t bytes, int depth, bool in_order,
                   double seconds) {
  const uint64_t places = probe.bytes / bytes;
  std::atomic<uint64_t> next = 0;
  std::atomic<uint64_t> done = 0;
  const Stopwatch clock;
  const auto read = [&](int reader) {
    const MemoryBlock block(bytes);
    std::mt19937_64 random(static_cast<uint64_t>(reader));
    while (clock.seconds() < seconds) {
      const uint64_t place = (in_order ? next++ : random()) % places;
      const ssize_t got =
          ::pread(probe.file.get(), block.data(), bytes, static_cast<off_t>(place * bytes));
      if (got != static_cast<ssize_t>(bytes)) return;
      ++done;
    }
  };
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < depth; ++i) readers.emplace_back(read, i);
  }
  return static_cast<double>(done) / clock.seconds();
}

}  // namespace

StorageSpeed measure_storage(const fs::path& folder, uint64_t most_bytes, double seconds) {
  StorageSpeed speed{.file_system = file_system_of(folder),
                     .problem = "",
                     .file_bytes = 0,
                     .write_bytes_per_s = 0,
                     .sequential_bytes_per_s = 0,
                     .random_small_per_s = 0,
                     .random_large_bytes_per_s = 0};
  if (speed.file_system.in_memory()) {
    speed.problem = "the folder is in memory";
    return speed;
  }
  const uint64_t bytes =
      std::min(most_bytes, speed.file_system.free_bytes / 10) / kPieceBytes * kPieceBytes;
  ProbeFile probe{{}, 0, 0, "there is too little free space"};
  if (bytes >= kLeastBytes) probe = temporary_file(folder, bytes);
  if (!probe.problem.empty()) probe = largest_file(folder, probe.problem);
  speed.problem = probe.problem;
  if (!speed.problem.empty()) return speed;
  speed.file_bytes = probe.bytes;
  speed.write_bytes_per_s = probe.write_bytes_per_s;
  speed.sequential_bytes_per_s = reads_per_s(probe, kPieceBytes, kSequentialDepth, true, seconds) *
                                 static_cast<double>(kPieceBytes);
  speed.random_small_per_s = reads_per_s(probe, kReadAlignment, kStorageDepth, false, seconds);
  constexpr uint64_t kLargeBytes = uint64_t{512} << 10;
  speed.random_large_bytes_per_s = reads_per_s(probe, kLargeBytes, kStorageDepth, false, seconds) *
                                   static_cast<double>(kLargeBytes);
  if (speed.random_small_per_s == 0) speed.problem = "direct reads fail";
  return speed;
}

}  // namespace hearth
