#include "os/memory_block.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include <utility>

#include "base/error.h"
#include "os/topology.h"

namespace hearth {
namespace {

/// From this size on, a block holds what all workers read (weights, caches).
constexpr size_t kInterleavedBytes = size_t{64} << 20;

}  // namespace

MemoryBlock::MemoryBlock(size_t bytes, PageSize pages) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    throw MemoryError(
        fmt::format("the system refused {:.1f} MiB of memory. Free some, or ask for "
                    "a shorter context.",
                    static_cast<double>(bytes) / (1 << 20)));
  }
  data_ = data;
  // A wish; small pages work as well.
  madvise(data_, bytes_, pages == PageSize::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (bytes >= kInterleavedBytes) interleave_over_nodes(data_, bytes_);
}

void MemoryBlock::lock() {
  if (!data_ || mlock2(data_, bytes_, MLOCK_ONFAULT) == 0) return;
  const int error = errno;
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  const std::string allowed = limit.rlim_cur == RLIM_INFINITY
                                  ? "no limit is set"
                                  : fmt::format("{:.1f} MiB may be locked",
                                                static_cast<double>(limit.rlim_cur) / (1 << 20));
  throw MemoryError(
      fmt::format("the system refused to lock {:.1f} MiB of memory ({}; {}). Raise the limit "
                  "(`ulimit -l unlimited`, LimitMEMLOCK=infinity of a service, --ulimit memlock=-1 "
                  "of a container), or leave out --lock.",
                  static_cast<double>(bytes_) / (1 << 20), std::strerror(error), allowed));
}

MemoryBlock::MemoryBlock(MemoryBlock&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryBlock& MemoryBlock::operator=(MemoryBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MemoryBlock::~MemoryBlock() {
  if (data_) munmap(data_, bytes_);
}

}  // namespace hearth
