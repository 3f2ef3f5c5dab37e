// Zeroed, page-aligned anonymous memory, in huge pages where the system gives them and they are not
// refused.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

enum class PageSize : uint8_t {
  kHuge,   // where the system gives them
  kSmall,  // never huge: for measurements, as files are mapped by most file systems
};

class MemoryBlock {
 public:
  MemoryBlock() = default;
  /// Throws MemoryError when the system refuses. Pages are taken when first touched.
  explicit MemoryBlock(size_t bytes, PageSize pages = PageSize::kHuge);
  MemoryBlock(MemoryBlock&& other) noexcept;
  MemoryBlock& operator=(MemoryBlock&& other) noexcept;
  MemoryBlock(const MemoryBlock&) = delete;
  MemoryBlock& operator=(const MemoryBlock&) = delete;
  ~MemoryBlock();

  /// Keeps every page in memory from its first touch on: it is never swapped out. Throws a
  /// MemoryError that names the limit when the system refuses.
  void lock();

  void* data() const { return data_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace hearth
