// read_bench FILE…: the rate of read_ranges over the files with every method, beside that of plain
// large direct reads by one thread, interleaved.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/clock.h"
#include "os/descriptor.h"
#include "os/file_reader.h"
#include "os/memory_block.h"

namespace {

using namespace hearth;

constexpr uint64_t kProbeBytes = uint64_t{8} << 20;
constexpr uint64_t kHugePage = uint64_t{2} << 20;

/// What `dd iflag=direct bs=8M` does.
double probe_seconds(const std::vector<FileRange>& ranges, MemoryBlock& buffer) {
  const Stopwatch clock;
  for (const FileRange& range : ranges) {
    const Descriptor file(::open(range.file.c_str(), O_RDONLY | O_DIRECT));
    for (uint64_t at = 0; at < range.bytes; at += kProbeBytes) {
      if (::pread(file.get(), buffer.data(), kProbeBytes, static_cast<off_t>(at)) <= 0) break;
    }
  }
  return clock.seconds();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<FileRange> ranges;
  uint64_t total = 0;
  for (int i = 1; i < argc; ++i) {
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(argv[i], error);
    if (error) {
      fmt::print(stderr, "read_bench: {}: {}; name files, such as a model's *.safetensors\n",
                 argv[i], error.message());
      return 2;
    }
    ranges.push_back({.file = argv[i], .bytes = bytes});
    total += bytes;
  }
  if (total == 0) {
    fmt::print(stderr, "read_bench: no file to read; usage: read_bench FILE...\n");
    return 2;
  }
  fmt::print("{:.2f} GB, {:.0f} % in the page cache\n", static_cast<double>(total) / 1e9,
             100 * cached_share(ranges));
  MemoryBlock probe(kProbeBytes);
  for (int round = 0; round < 6; ++round) {
    const double plain = static_cast<double>(total) / 1e9 / probe_seconds(ranges, probe);
    fmt::print("direct, one thread {:.3f} GB/s", plain);
    for (const ReadMethod method : {ReadMethod::kIoUring, ReadMethod::kDirect}) {
      std::vector<MemoryBlock> blocks;
      for (FileRange& range : ranges) {
        blocks.emplace_back((range.bytes + kHugePage - 1) / kHugePage * kHugePage);
        range.target = blocks.back().as<std::byte>();
      }
      // Fresh memory may cost more than the disk (on a virtual machine, whose host has to find it).
      const Stopwatch touching;
      for (const MemoryBlock& block : blocks) std::memset(block.data(), 1, block.bytes());
      fmt::print(" | first touch {:.2f} GB/s,",
                 static_cast<double>(total) / 1e9 / touching.seconds());
      const ReadReport report = read_ranges(ranges, method, [](uint64_t) {});
      const double rate = static_cast<double>(total) / 1e9 / report.seconds;
      fmt::print(" {} {:.3f} GB/s ({:.0f} %)", read_method_name(report.method), rate,
                 100 * rate / plain);
    }
    fmt::print("\n");
  }
}
