// Asks for the words of a later block of a panel, as long pieces of row after row whatever the
// shape of the tiles, a step with every word row that is computed: rows of words lie pages apart,
// which no processor prefetches across. Internal linkage: every set compiles it with its own flags.
#pragma once

#include <stdint.h>

#include "kernels/inline.h"

namespace hearth {
namespace {

/// kLocality is that of __builtin_prefetch: 3 brings lines into the first-level cache, 2 into the
/// second.
template <int64_t kLanes, int kLocality>
struct PanelPrefetcher {
  const uint32_t* at = nullptr;
  int64_t column = 0;   // in vectors
  int64_t columns = 0;  // of the panel
  int64_t stride = 0;   // words of a matrix row

  template <int V>
  HEARTH_INLINE void step() {
    constexpr int kLineVectors = 16 / kLanes;
#pragma GCC unroll 16
    for (int i = 0; i < V; i += kLineVectors) __builtin_prefetch(at + i * kLanes, 0, kLocality);
    at += V * kLanes;
    column += V;
    if (column >= columns) {
      at += stride - column * kLanes;
      column = 0;
    }
  }
};

}  // namespace
}  // namespace hearth
