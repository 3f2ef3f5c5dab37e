// A hint to the processor about memory that is read soon.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

/// Asks for the cache lines of `bytes` from `begin` on. For a few kilobytes: processors drop what
/// they are asked for at once beyond that.
inline void prefetch(const void* begin, int64_t bytes) {
  constexpr int64_t kLine = 64;
  for (int64_t i = 0; i < bytes; i += kLine) {
    __builtin_prefetch(static_cast<const std::byte*>(begin) + i);
  }
}

}  // namespace hearth
