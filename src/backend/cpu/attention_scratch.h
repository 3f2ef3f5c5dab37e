// How gated attention is cut into pieces, and what a worker keeps of one.
//
// A unit is a few consecutive tokens of a sequence with the query heads that share one KV head. Its
// context is cut into spans of positions, counted from 0. Each span has its own online softmax, and
// spans are merged in order, so that a token's bits depend on its position alone, and not on which
// tokens or workers computed it.
#pragma once

#include <cstdint>

#include "backend/backend.h"

namespace hearth {

/// Positions [n·kUnitTokens, (n+1)·kUnitTokens) may be in one unit.
inline constexpr int64_t kUnitTokens = 16;
inline constexpr int64_t kSpanPages = 16;
inline constexpr int64_t kSpanTokens = kSpanPages * kKvPageTokens;

/// With fewer units than this for each worker, their spans are handed out one by one.
inline constexpr int64_t kUnitsPerWorker = 4;
/// Spans, beside the first one of each unit, that are in work at once.
inline constexpr int64_t kSpansPerWorker = 16;

struct AttentionUnit {
  const AttentionSegment* segment = nullptr;
  int64_t first = 0;  // token of the segment
  int64_t tokens = 0;
  int64_t kv_head = 0;

  int64_t row() const { return segment->rows.first_row + first; }
  int64_t position() const { return segment->position + first; }
  int64_t spans() const { return (position() + tokens - 1) / kSpanTokens + 1; }
};

/// One span of a unit.
struct AttentionSpan {
  int64_t unit = 0;
  int64_t span = 0;
};

/// Online softmax of a unit's rows, as AttentionBlock wants them.
struct AttentionRows {
  float* maxima;  // [rows]
  float* sums;    // [rows]
  float* output;  // [rows][head_dim]

  AttentionRows(const AttentionGeometry& g, float* memory)
      : maxima(memory), sums(maxima + rows(g)), output(sums + rows(g)) {}

  static int64_t rows(const AttentionGeometry& g) { return kUnitTokens * g.group(); }
  static int64_t floats(const AttentionGeometry& g) {
    return g.kv_heads == 0 ? 0 : rows(g) * (g.head_dim + 2);
  }
};

struct AttentionScratch {
  AttentionRows total;
  AttentionRows span;
  float* head;       // [head_dim]
  uint16_t* keys;    // a page of int8, widened
  uint16_t* values;  // likewise

  AttentionScratch(const AttentionGeometry& g, float* memory)
      : total(g, memory),
        span(g, memory + AttentionRows::floats(g)),
        head(memory + 2 * AttentionRows::floats(g)),
        keys(reinterpret_cast<uint16_t*>(head + kKvPageTokens * g.head_dim)),
        values(keys + kKvPageTokens * g.head_dim) {}

  static int64_t floats(const AttentionGeometry& g) {
    return 2 * AttentionRows::floats(g) + 2 * kKvPageTokens * g.head_dim;
  }
};

}  // namespace hearth
