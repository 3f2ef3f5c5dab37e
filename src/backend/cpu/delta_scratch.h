// What a worker keeps of one key head of gated DeltaNet while it computes a chunk of tokens.
#pragma once

#include <cstdint>

#include "backend/backend.h"

namespace hearth {

/// C = kDeltaChunk, the most tokens. A row of a token: q, k, then v of the value heads.
struct DeltaScratch {
  int64_t stride;    // of rows
  float* rows;       // [C] rows of stride
  float* mixed;      // [C, value_dim], what one value head reads from its state
  float* log_decay;  // [C]
  float* beta;       // [C]
  float* chunked;    // scratch of delta_chunked

  DeltaScratch(const DeltaGeometry& g, float* memory)
      : stride(row_stride(g)),
        rows(memory),
        mixed(rows + kDeltaChunk * stride),
        log_decay(mixed + kDeltaChunk * g.value_dim),
        beta(log_decay + kDeltaChunk),
        chunked(beta + kDeltaChunk) {}

  /// Floats of all of it.
  static int64_t floats(const DeltaGeometry& g) {
    if (g.key_heads == 0) return 0;
    return kDeltaChunk * (row_stride(g) + g.value_dim + 2) +
           delta_chunk_scratch(g.key_dim, g.value_dim);
  }

 private:
  /// Padded by a cache line, so that rows do not compete for the same places of a cache.
  static int64_t row_stride(const DeltaGeometry& g) {
    return 2 * g.key_dim + g.group() * g.value_dim + 16;
  }
};

}  // namespace hearth
