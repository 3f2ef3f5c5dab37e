// A typed, shaped look at memory that somebody else owns (usually a mapped checkpoint).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace hearth {

/// Row-major, dense. Never owns and never changes the memory it points to.
struct TensorView {
  static constexpr int kMaxRank = 4;

  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  int rank = 0;
  std::array<int64_t, kMaxRank> dims{};

  int64_t element_count() const {
    int64_t count = 1;
    for (int i = 0; i < rank; ++i) count *= dims[static_cast<size_t>(i)];
    return count;
  }
  size_t bytes() const { return static_cast<size_t>(element_count()) * dtype_bytes(dtype); }

  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

}  // namespace hearth
