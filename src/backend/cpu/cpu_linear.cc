// Linear layers on the CPU: quantise the inputs once in every form that the weights of the call
// want, then hand out panels of output rows; a panel meets all tokens while it is in cache.
#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "base/check.h"

namespace hearth {

void CpuBackend::product(const QuantizedMatrix& matrix, Precision precision, RowRange range,
                         const TileInput& input, const ProductOutput& output) const noexcept {
  if (wants_int8(matrix, precision)) {
    int8_product(kernels_, matrix.layout)(matrix, range.begin, range.end, input.quantized, output);
  } else {
    float_product(kernels_, matrix.layout)(matrix, range.begin, range.end,
                                           {input.rows, input.tokens}, output);
  }
}

void CpuBackend::quantize_tiles(const float* x, int64_t columns, int64_t tokens) noexcept {
  const TokenTiles tiles(tokens, kernels_);
  pool_.parallel_for(inputs_.count() * tiles.count(), [&](int64_t item, int) {
    const InputShape& shape = inputs_.shape(item / tiles.count());
    QuantizedTokens& form = inputs_.tokens(item / tiles.count());
    const int64_t first = tiles.first(item % tiles.count());
    const int size = tiles.size(item % tiles.count());
    for (int i = 0; i < size; ++i) {
      form.quantize(kernels_, shape, x + (first + i) * columns, {0, columns}, {first, size, i});
    }
  });
}

void CpuBackend::linear_panel(const LinearTask& task, RowRange range, const float* x,
                              int64_t tokens, WorkerScratch& worker) noexcept {
  const QuantizedMatrix& matrix = *task.matrix;
  float* scratch = worker.floats();
  const int64_t count = range.end - range.begin;
  const TokenTiles tiles(tokens, kernels_);
  for (int64_t i = 0; i < tiles.count(); ++i) {
    const int64_t first = tiles.first(i);
    const float* rows[kMaxTileTokens];
    TileInput input{.rows = rows, .quantized = {}, .tokens = tiles.size(i)};
    if (wants_int8(matrix, task.precision)) {
      input.quantized = inputs_.find(matrix).tile(input_shape(matrix), first, input.tokens);
      if (tiles.count() > 1 &&
          count * matrix.cols * weight_bits(matrix.layout) / 8 <= kCachedBytes) {
        input.quantized.copy = worker.copy.as<uint32_t>();
        input.quantized.first_of_copy = i == 0;
      }
    } else {
      for (int t = 0; t < input.tokens; ++t) rows[t] = x + (first + t) * matrix.cols;
    }
    float* y = task.output + first * task.output_stride + range.begin;
    if (!task.accumulate) {
      product(matrix, task.precision, range, input, {y, task.output_stride});
      continue;
    }
    product(matrix, task.precision, range, input, {scratch, count});
    for (int t = 0; t < input.tokens; ++t) {
      kernels_.accumulate(scratch + t * count, 1.0f, count, y + t * task.output_stride);
    }
  }
}

void CpuBackend::linear(std::span<const LinearTask> tasks, const float* x,
                        int64_t tokens) noexcept {
  if (tokens == 0) return;
  inputs_.clear();
  const bool streamed = tokens <= kernels_.tile_tokens;
  const auto split = [&](const QuantizedMatrix& matrix) {
    return streamed ? RowPanels::streamed(matrix.rows, threads())
                    : RowPanels::cached(matrix, threads());
  };
  int64_t panels = 0;
  for (const LinearTask& task : tasks) {
    CHECK(task.matrix->cols == tasks[0].matrix->cols);
    if (wants_int8(*task.matrix, task.precision)) inputs_.want(*task.matrix);
    panels += split(*task.matrix).count();
  }
  quantize_tiles(x, tasks[0].matrix->cols, tokens);
  pool_.parallel_for(panels, [&](int64_t panel, int worker) {
    for (const LinearTask& task : tasks) {
      const RowPanels of_task = split(*task.matrix);
      if (panel < of_task.count()) {
        return linear_panel(task, of_task.range(panel), x, tokens,
                            workers_[static_cast<size_t>(worker)]);
      }
      panel -= of_task.count();
    }
  });
}

}  // namespace hearth
