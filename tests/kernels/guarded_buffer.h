// Memory between two pages that cannot be touched, for what kernels read and write.
//
//   kEnd      | guard | canary canary [data ……………] | guard |     reading past the end faults
//   kBegin    | guard | [data ……………] canary canary | guard |     reading before the start faults
//
// Data at the end begins wherever its size puts it: 4-byte data is 4-byte aligned and, mostly, no
// more than that, as in a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace hearth::kernel_check {

enum class Edge : uint8_t { kEnd, kBegin };

/// From here on, data ends this many bytes (a multiple of 16) before the guard page: for qemu,
/// which loads all lanes of a masked load, where processors load those of the mask.
void leave_slack(size_t bytes);

/// Untyped owner of the pages.
class GuardedMemory {
 public:
  GuardedMemory() = default;
  GuardedMemory(size_t bytes, Edge edge);
  ~GuardedMemory();
  GuardedMemory(GuardedMemory&& other) noexcept { *this = std::move(other); }
  GuardedMemory& operator=(GuardedMemory&& other) noexcept;

  std::byte* data() const { return data_; }
  /// Writing to the data faults from here on.
  void seal();
  /// Whether the bytes of the pages that are not data are as they were.
  bool intact() const;

 private:
  std::byte* mapping_ = nullptr;  // the first guard page
  size_t mapping_bytes_ = 0;      // with both guard pages
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

/// `count` values of T, a plain type.
template <typename T>
class Guarded {
 public:
  Guarded() = default;
  Guarded(int64_t count, Edge edge)
      : memory_(static_cast<size_t>(count) * sizeof(T), edge), count_(count) {}

  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  int64_t size() const { return count_; }
  T& operator[](int64_t i) const { return data()[i]; }
  T* begin() const { return data(); }
  T* end() const { return data() + count_; }
  void seal() { memory_.seal(); }
  bool intact() const { return memory_.intact(); }

 private:
  GuardedMemory memory_;
  int64_t count_ = 0;
};

}  // namespace hearth::kernel_check
