#include "backend/cpu/activations.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace hearth {

int64_t activation_block(const QuantizedMatrix& matrix) {
  return std::gcd(matrix.group_size, kMaxActivationBlock);
}

InputShape input_shape(const QuantizedMatrix& matrix) {
  return {matrix.layout, activation_block(matrix), matrix.cols};
}

void QuantizedTokens::reserve(int64_t tokens, int64_t columns) {
  columns_ = columns;
  const size_t words = static_cast<size_t>(tokens * columns / 4);
  const size_t blocks = static_cast<size_t>(tokens * columns / kMinActivationBlock);
  memory_ = MemoryBlock((words + 2 * blocks) * sizeof(int32_t));
  words_ = static_cast<int32_t*>(memory_.data());
  scales_ = reinterpret_cast<float*>(words_ + words);
  sums_ = words_ + words + blocks;
}

void QuantizedTokens::quantize(const KernelSet& kernels, const InputShape& shape, const float* x,
                               const ColumnRange& columns, const TilePlace& place) noexcept {
  const int64_t word = columns.begin / 4 * place.tile_tokens + place.index;
  const int64_t block =
      block_offset(place.first) + place.index + columns.begin / shape.block * place.tile_tokens;
  kernels.quantize_activations(x, columns.end - columns.begin, shape.block, shape.order,
                               place.tile_tokens, words(place.first) + word, scales_ + block,
                               sums_ + block);
}

ActivationTile QuantizedTokens::tile(const InputShape& shape, int64_t first,
                                     int tokens) const noexcept {
  return {.words = words(first),
          .scales = scales_ + block_offset(first),
          .sums = sums_ + block_offset(first),
          .block = shape.block,
          .tokens = tokens};
}

void GatherScratch::reserve(int64_t columns) {
  words.resize(static_cast<size_t>(columns / 4 * kMaxTileTokens));
  scales.resize(static_cast<size_t>(columns / kMinActivationBlock * kMaxTileTokens));
  sums.resize(scales.size());
}

ActivationTile gather(const KernelSet& kernels, const QuantizedTokens& source,
                      const InputShape& shape, std::span<const int32_t> tokens,
                      GatherScratch& scratch) noexcept {
  const int count = static_cast<int>(tokens.size());
  if (count == 1) return source.tile(shape, tokens[0], 1);
  const int64_t blocks = shape.columns / shape.block;
  const int32_t* rows[kMaxTileTokens];
  for (int t = 0; t < count; ++t) {
    const ActivationTile row = source.tile(shape, tokens[static_cast<size_t>(t)], 1);
    rows[t] = row.words;
    for (int64_t i = 0; i < blocks; ++i) {
      scratch.scales[static_cast<size_t>(i * count + t)] = row.scales[i];
      scratch.sums[static_cast<size_t>(i * count + t)] = row.sums[i];
    }
  }
  kernels.interleave(rows, count, shape.columns / 4, scratch.words.data());
  return {.words = scratch.words.data(),
          .scales = scratch.scales.data(),
          .sums = scratch.sums.data(),
          .block = shape.block,
          .tokens = count};
}

void QuantizedInputs::reserve(int64_t tokens, int64_t columns) {
  // More than two forms (4-bit and 8-bit weights) are rare: the pages of the rest stay untouched.
  for (QuantizedTokens& form : tokens_) form.reserve(tokens, columns);
}

void QuantizedInputs::want(const QuantizedMatrix& matrix) noexcept {
  const InputShape shape = input_shape(matrix);
  for (size_t i = 0; i < count_; ++i) {
    if (shapes_[i] == shape) return;
  }
  CHECK(count_ < kMaxShapes);
  shapes_[count_++] = shape;
}

const QuantizedTokens& QuantizedInputs::find(const QuantizedMatrix& matrix) const noexcept {
  const InputShape shape = input_shape(matrix);
  for (size_t i = 0; i < count_; ++i) {
    if (shapes_[i] == shape) return tokens_[i];
  }
  CHECK(!"a form that was wanted");
  return tokens_[0];
}

}  // namespace hearth
