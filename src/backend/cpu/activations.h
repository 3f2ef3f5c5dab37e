// Inputs of linear layers, prepared for the kernels: float rows and, for packed weights, their
// int8 form in each order and block size that the weights of a call want.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernel_set.h"
#include "os/memory_block.h"

namespace hearth {

/// The smallest number of inputs that share a scale.
inline constexpr int64_t kMinActivationBlock = 8;

/// Inputs that share a scale when x meets this packed matrix: the largest
/// divisor of its groups that is no larger than kMaxActivationBlock.
int64_t activation_block(const QuantizedMatrix& matrix);

/// The int8 form that a packed matrix wants of its input.
struct InputShape {
  QuantLayout order = QuantLayout::kW4KPacked;
  int64_t block = 0;
  int64_t columns = 0;

  bool operator==(const InputShape&) const = default;
};

InputShape input_shape(const QuantizedMatrix& matrix);

/// Columns [begin, end) of an input.
struct ColumnRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Token `index` of the tile of `tile_tokens` tokens that begins at token `first`.
struct TilePlace {
  int64_t first = 0;
  int tile_tokens = 1;
  int index = 0;
};

/// int8 activations of a number of tokens. Tokens are stored in tiles; a tile of n tokens that
/// begins at token f takes the room of tokens f … f+n−1, interleaved.
class QuantizedTokens {
 public:
  /// Room for `tokens` inputs of up to `columns` values.
  void reserve(int64_t tokens, int64_t columns);

  /// Quantises columns [columns.begin, columns.end), multiples of the block, of one token, whose
  /// values there begin at x.
  void quantize(const KernelSet& kernels, const InputShape& shape, const float* x,
                const ColumnRange& columns, const TilePlace& place) noexcept;

  ActivationTile tile(const InputShape& shape, int64_t first, int tokens) const noexcept;

 private:
  int32_t* words(int64_t token) const { return words_ + token * columns_ / 4; }
  int64_t block_offset(int64_t token) const { return token * columns_ / kMinActivationBlock; }

  int64_t columns_ = 0;
  MemoryBlock memory_;        // untouched, it costs nothing: most forms are never wanted
  int32_t* words_ = nullptr;  // [tokens][columns/4]
  float* scales_ = nullptr;   // [tokens][columns/kMinActivationBlock], room for any block size
  int32_t* sums_ = nullptr;   // likewise
};

/// Scratch for a tile gathered from single tokens.
struct GatherScratch {
  std::vector<int32_t> words;
  std::vector<float> scales;
  std::vector<int32_t> sums;

  void reserve(int64_t columns);
};

/// Interleaves tokens that were stored as tiles of one.
ActivationTile gather(const KernelSet& kernels, const QuantizedTokens& source,
                      const InputShape& shape, std::span<const int32_t> tokens,
                      GatherScratch& scratch) noexcept;

/// One input in all the int8 forms that a call needs.
class QuantizedInputs {
 public:
  /// Two orders, five block sizes.
  static constexpr size_t kMaxShapes = 10;

  void reserve(int64_t tokens, int64_t columns);

  /// Forgets the forms of the last call.
  void clear() noexcept { count_ = 0; }
  /// Adds the form that the matrix wants, unless it is there.
  void want(const QuantizedMatrix& matrix) noexcept;

  int64_t count() const noexcept { return static_cast<int64_t>(count_); }
  const InputShape& shape(int64_t index) const noexcept { return shapes_[size_t(index)]; }
  QuantizedTokens& tokens(int64_t index) noexcept { return tokens_[size_t(index)]; }

  /// The stored form for the matrix; it must have been wanted.
  const QuantizedTokens& find(const QuantizedMatrix& matrix) const noexcept;

 private:
  std::array<InputShape, kMaxShapes> shapes_;
  std::array<QuantizedTokens, kMaxShapes> tokens_;
  size_t count_ = 0;
};

/// Says that the tile is one of those that meet a panel's copy.
inline void use_copy(ActivationTile& input, uint32_t* copy, int64_t tile, int64_t tiles) {
  input.copy = copy;
  input.tile = static_cast<int>(tile);
  input.tiles = static_cast<int>(tiles);
}

/// Says that the product after this one is of `next`, from a row on; null: unknown.
inline void hint(ActivationTile& input, const QuantizedMatrix* next, int64_t row) {
  input.next = next && is_packed(next->layout) ? next : nullptr;
  input.next_row = row;
}

}  // namespace hearth
