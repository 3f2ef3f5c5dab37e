// Linear layers on the CPU: quantise the inputs once in every form that the weights of the call
// want, then hand out panels of output rows; a panel meets all tokens while it is in cache.
#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "base/check.h"

namespace hearth {
namespace {

/// Tokens [first, first + tokens) of tile `index`, when `total` tokens go in `tiles` even tiles.
struct TileRange {
  int64_t first = 0;
  int tokens = 0;
};

int64_t tile_count(int64_t total, int largest) { return (total + largest - 1) / largest; }

TileRange tile_range(int64_t total, int64_t tiles, int64_t index) {
  const int64_t first = total * index / tiles;
  return {first, static_cast<int>(total * (index + 1) / tiles - first)};
}

/// Output rows of a panel. One token is bound by memory: long runs of every weight row. Many are
/// bound by arithmetic: a panel of 8-bit weights with 4096 inputs stays in the second-level cache.
int64_t panel_rows(int64_t tokens) { return tokens == 1 ? kPanelRowsMax : kPanelRowsMax / 4; }

int64_t panel_count(const QuantizedMatrix& matrix, int64_t rows) {
  return (matrix.rows + rows - 1) / rows;
}

bool wants_int8(const QuantizedMatrix& matrix, Precision precision) {
  return precision == Precision::kInt8 && is_packed(matrix.layout);
}

}  // namespace

void CpuBackend::product(const QuantizedMatrix& matrix, Precision precision, int64_t row_begin,
                         int64_t row_end, const TileInput& input,
                         const ProductOutput& output) const noexcept {
  if (wants_int8(matrix, precision)) {
    int8_product(kernels_, matrix.layout)(matrix, row_begin, row_end, input.quantized, output);
  } else {
    float_product(kernels_, matrix.layout)(matrix, row_begin, row_end, {input.rows, input.tokens},
                                           output);
  }
}

void CpuBackend::quantize_tiles(const float* x, int64_t columns, int64_t tokens) noexcept {
  const int64_t tiles = tile_count(tokens, kernels_.tile_tokens);
  pool_.parallel_for(inputs_.count() * tiles, [&](int64_t item, int) {
    const InputShape& shape = inputs_.shape(item / tiles);
    QuantizedTokens& form = inputs_.tokens(item / tiles);
    const TileRange tile = tile_range(tokens, tiles, item % tiles);
    for (int i = 0; i < tile.tokens; ++i) {
      form.quantize(kernels_, shape, x + (tile.first + i) * columns, tile.first, tile.tokens, i);
    }
  });
}

void CpuBackend::linear_panel(const LinearTask& task, int64_t panel, const float* x, int64_t tokens,
                              float* scratch) noexcept {
  const QuantizedMatrix& matrix = *task.matrix;
  const int64_t begin = panel * panel_rows(tokens);
  const int64_t end = std::min(begin + panel_rows(tokens), matrix.rows);
  const int64_t tiles = tile_count(tokens, kernels_.tile_tokens);
  for (int64_t i = 0; i < tiles; ++i) {
    const TileRange tile = tile_range(tokens, tiles, i);
    const float* rows[kMaxTileTokens];
    TileInput input{.rows = rows, .quantized = {}, .tokens = tile.tokens};
    if (wants_int8(matrix, task.precision)) {
      input.quantized = inputs_.find(matrix).tile(input_shape(matrix), tile.first, tile.tokens);
    } else {
      for (int t = 0; t < tile.tokens; ++t) rows[t] = x + (tile.first + t) * matrix.cols;
    }
    float* y = task.output + tile.first * task.output_stride + begin;
    if (!task.accumulate) {
      product(matrix, task.precision, begin, end, input, {y, task.output_stride});
      continue;
    }
    product(matrix, task.precision, begin, end, input, {scratch, kPanelRowsMax});
    for (int t = 0; t < tile.tokens; ++t) {
      kernels_.accumulate(scratch + t * kPanelRowsMax, 1.0f, end - begin,
                          y + t * task.output_stride);
    }
  }
}

void CpuBackend::linear(std::span<const LinearTask> tasks, const float* x,
                        int64_t tokens) noexcept {
  if (tokens == 0) return;
  inputs_.clear();
  int64_t panels = 0;
  for (const LinearTask& task : tasks) {
    CHECK(task.matrix->cols == tasks[0].matrix->cols);
    if (wants_int8(*task.matrix, task.precision)) inputs_.want(*task.matrix);
    panels += panel_count(*task.matrix, panel_rows(tokens));
  }
  quantize_tiles(x, tasks[0].matrix->cols, tokens);
  pool_.parallel_for(panels, [&](int64_t panel, int worker) {
    for (const LinearTask& task : tasks) {
      const int64_t count = panel_count(*task.matrix, panel_rows(tokens));
      if (panel < count) return linear_panel(task, panel, x, tokens, scratch(worker));
      panel -= count;
    }
  });
}

}  // namespace hearth
