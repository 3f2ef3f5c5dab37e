// How the output rows of weight matrices are cut into panels, the items that workers take.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "backend/backend.h"
#include "kernels/kernel_set.h"

namespace hearth {

/// Most output rows of a panel.
inline constexpr int64_t kPanelRowsMax = 1024;
/// Output rows of the panels at the end of a streamed matrix, where workers wait for the last one;
/// fewer where there would not be two for each worker. Not fewer than that: processors read ahead
/// beyond the end of a piece of a weight row, in vain.
inline constexpr int64_t kTailRows = 256;
inline constexpr int64_t kTailRowsMin = 128;
/// Output rows of a panel that meets several tiles of tokens: as many as leave each worker a few
/// panels, for the inputs are read anew for every one, and no more than stay in a cache.
inline constexpr int64_t kCachedRowsMin = 64;
inline constexpr int64_t kCachedRowsMax = 256;
inline constexpr int64_t kCachedPanelsPerWorker = 4;
inline constexpr int64_t kCachedBytes = int64_t{1} << 19;

struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Rows [0, rows) in panels.
class RowPanels {
 public:
  /// For tokens that fit one tile, whose product is as fast as memory: long pieces of every weight
  /// row, then, for the last of the work, short ones. Slices are read whole, front to back.
  static RowPanels streamed(const QuantizedMatrix& matrix, int workers) {
    if (matrix.slice_rows > 0) return even(matrix.rows, matrix.slice_rows);
    const int64_t rows = matrix.rows;
    RowPanels panels{rows, rows < 2 * workers * kTailRows ? kTailRowsMin : kTailRows};
    const int64_t before_tail = std::max<int64_t>(0, rows - workers * panels.small_rows_);
    const int64_t fair = before_tail / workers / panels.small_rows_ * panels.small_rows_;
    panels.large_rows_ = std::min(fair, kPanelRowsMax);
    if (fair > 0) panels.large_ = before_tail / panels.large_rows_;
    return panels;
  }

  /// For more tokens, whose product is as fast as arithmetic: what stays in the cache from tile to
  /// tile. Powers of two: a panel is in one slice, for its copy is.
  static RowPanels cached(const QuantizedMatrix& matrix, int workers) {
    const int64_t fair = matrix.rows / (kCachedPanelsPerWorker * workers);
    const int64_t fitting = kCachedBytes / (matrix.cols * weight_bits(matrix.layout) / 8);
    const int64_t rows = std::clamp(std::min(fair, fitting), kCachedRowsMin, kCachedRowsMax);
    RowPanels panels{matrix.rows, kCachedRowsMin};
    panels.large_rows_ = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(rows)));
    panels.large_ = std::max<int64_t>(0, matrix.rows / panels.large_rows_ - workers);
    return panels;
  }

  static RowPanels even(int64_t rows, int64_t panel_rows) { return {rows, panel_rows}; }

  int64_t count() const {
    return large_ + (rows_ - large_ * large_rows_ + small_rows_ - 1) / small_rows_;
  }

  RowRange range(int64_t index) const {
    if (index < large_) return {index * large_rows_, (index + 1) * large_rows_};
    const int64_t begin = large_ * large_rows_ + (index - large_) * small_rows_;
    return {begin, std::min(begin + small_rows_, rows_)};
  }

 private:
  RowPanels(int64_t rows, int64_t small_rows) : rows_(rows), small_rows_(small_rows) {}

  int64_t rows_;
  int64_t small_rows_;
  int64_t large_rows_ = 0;
  int64_t large_ = 0;
};

/// Whether the product of the matrix takes int8 activations.
inline bool wants_int8(const QuantizedMatrix& matrix, Precision precision) {
  return precision == Precision::kInt8 && is_packed(matrix.layout);
}

/// Tokens in tiles of even size: one if they fit, so that weights come from memory once; else of as
/// many as go through the registers at once, while the weights of a panel stay in a cache.
class TokenTiles {
 public:
  TokenTiles(int64_t tokens, const KernelSet& kernels) : tokens_(tokens) {
    const int64_t most = std::min(kernels.part_tokens, kernels.tile_tokens);
    if (tokens > kernels.tile_tokens) count_ = (tokens + most - 1) / most;
  }

  int64_t count() const { return count_; }
  int64_t first(int64_t tile) const { return tokens_ * tile / count_; }
  int size(int64_t tile) const { return static_cast<int>(first(tile + 1) - first(tile)); }

 private:
  int64_t tokens_;
  int64_t count_ = 1;
};

}  // namespace hearth
