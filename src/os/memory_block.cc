#include "os/memory_block.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <utility>

#include "base/error.h"
#include "os/topology.h"

namespace hearth {
namespace {

/// From this size on, a block holds what all workers read (weights, caches).
constexpr size_t kInterleavedBytes = size_t{64} << 20;

}  // namespace

MemoryBlock::MemoryBlock(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    throw MemoryError(
        fmt::format("the system refused {:.1f} MiB of memory. Free some, or ask for "
                    "a shorter context.",
                    static_cast<double>(bytes) / (1 << 20)));
  }
  data_ = data;
  madvise(data_, bytes_, MADV_HUGEPAGE);  // a wish; small pages work as well
  if (bytes >= kInterleavedBytes) interleave_over_nodes(data_, bytes_);
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
