// How the output rows of weight matrices are cut into panels, the items that workers take.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/backend.h"
#include "kernels/kernel_set.h"

namespace hearth {

/// Most output rows of a panel.
inline constexpr int64_t kPanelRowsMax = 1024;
/// Output rows of the panels at the end of a streamed matrix, where workers wait for the last one.
inline constexpr int64_t kTailRows = 128;
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

/// Rows [0, rows) in panels. Tokens that fit one tile make the product as fast as memory: long
/// pieces of every weight row, then, for the last of the work, short ones. More tokens make it as
/// fast as arithmetic: panels that stay in the cache from tile to tile.
class RowPanels {
 public:
  RowPanels(const QuantizedMatrix& matrix, bool streamed, int workers)
      : rows_(matrix.rows),
        large_(streamed ? std::max<int64_t>(0, matrix.rows / kPanelRowsMax - workers) : 0),
        small_rows_(streamed ? kTailRows : cached_rows(matrix, workers)) {}

  int64_t count() const {
    return large_ + (rows_ - large_ * kPanelRowsMax + small_rows_ - 1) / small_rows_;
  }

  RowRange range(int64_t index) const {
    if (index < large_) return {index * kPanelRowsMax, (index + 1) * kPanelRowsMax};
    const int64_t begin = large_ * kPanelRowsMax + (index - large_) * small_rows_;
    return {begin, std::min(begin + small_rows_, rows_)};
  }

 private:
  static int64_t cached_rows(const QuantizedMatrix& matrix, int workers) {
    const int64_t fair = matrix.rows / (kCachedPanelsPerWorker * workers);
    const int64_t fitting = kCachedBytes / (matrix.cols * weight_bits(matrix.layout) / 8);
    const int64_t rows = std::min({fair, fitting, kCachedRowsMax});
    return std::max(rows / kCachedRowsMin * kCachedRowsMin, kCachedRowsMin);
  }

  int64_t rows_;
  int64_t large_;
  int64_t small_rows_;
};

/// Whether the product of the matrix takes int8 activations.
inline bool wants_int8(const QuantizedMatrix& matrix, Precision precision) {
  return precision == Precision::kInt8 && is_packed(matrix.layout);
}

/// Tokens in tiles of whole parts, the parts even.
class TokenTiles {
 public:
  TokenTiles(int64_t tokens, const KernelSet& kernels)
      : tokens_(tokens), part_(std::min(kernels.part_tokens, kernels.tile_tokens)) {
    parts_ = (tokens + part_ - 1) / part_;
    parts_of_tile_ = kernels.tile_tokens / part_;
  }

  int64_t count() const { return (parts_ + parts_of_tile_ - 1) / parts_of_tile_; }
  int64_t first(int64_t tile) const {
    return tokens_ * std::min(tile * parts_of_tile_, parts_) / parts_;
  }
  int size(int64_t tile) const { return static_cast<int>(first(tile + 1) - first(tile)); }

 private:
  int64_t tokens_;
  int64_t part_;
  int64_t parts_ = 0;
  int64_t parts_of_tile_ = 1;
};

}  // namespace hearth
