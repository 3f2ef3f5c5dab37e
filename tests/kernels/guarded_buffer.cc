#include "tests/kernels/guarded_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace hearth::kernel_check {
namespace {

constexpr std::byte kCanary{0xA5};

size_t slack_bytes = 0;

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

void leave_slack(size_t bytes) { slack_bytes = bytes; }

GuardedMemory::GuardedMemory(size_t bytes, Edge edge) : bytes_(bytes) {
  const size_t page = page_bytes();
  const size_t inner = std::max((bytes + slack_bytes + page - 1) / page, size_t{1}) * page;
  mapping_bytes_ = inner + 2 * page;
  void* mapping = mmap(nullptr, mapping_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) std::abort();
  mapping_ = static_cast<std::byte*>(mapping);
  std::byte* first = mapping_ + page;
  if (mprotect(first, inner, PROT_READ | PROT_WRITE) != 0) std::abort();
  std::fill_n(first, inner, kCanary);
  data_ = edge == Edge::kBegin ? first : first + (inner - bytes - slack_bytes);
}

GuardedMemory::~GuardedMemory() {
  if (mapping_) munmap(mapping_, mapping_bytes_);
}

GuardedMemory& GuardedMemory::operator=(GuardedMemory&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void GuardedMemory::seal() {
  const size_t page = page_bytes();
  if (mprotect(mapping_ + page, mapping_bytes_ - 2 * page, PROT_READ) != 0) std::abort();
}

bool GuardedMemory::intact() const {
  const size_t page = page_bytes();
  const auto untouched = [](const std::byte* from, const std::byte* to) {
    return std::all_of(from, to, [](std::byte b) { return b == kCanary; });
  };
  return untouched(mapping_ + page, data_) &&
         untouched(data_ + bytes_, mapping_ + mapping_bytes_ - page);
}

}  // namespace hearth::kernel_check
