// Linear layers on the CPU: quantise the inputs once in every form that the weights of the call
// want, then hand out panels of output rows; a panel meets all tokens while it is in cache. One
// token's packed matrices are handed out by inputs instead: workers then read whole rows of words,
// front to back (kernels/int8_stream.h says why), and a second loop sums what they found.
#include <algorithm>
#include <array>

#include "backend/cpu/cpu_backend.h"
#include "base/check.h"

namespace hearth {
namespace {

/// Weights of an item that is some of a matrix's inputs, at least: long against where it begins.
constexpr int64_t kItemBytes = int64_t{1} << 18;
/// Output rows whose sums a worker scales at once.
constexpr int64_t kScaledRows = 512;
constexpr size_t kMaxTasks = 8;

int64_t block_count(const QuantizedMatrix& matrix) {
  return matrix.cols / activation_block(matrix);
}

/// Whether one token's product can be shared by inputs. Slices are short enough as they are.
bool has_steps(const LinearTask& task) {
  return wants_int8(*task.matrix, task.precision) && task.matrix->slice_rows == 0;
}

}  // namespace

/// How one task of a call is handed out.
struct Share {
  const LinearTask* task = nullptr;
  int64_t items = 0;
  int64_t item_blocks = 0;  // blocks of inputs; 0: the items are panels of rows
  int32_t* sums = nullptr;  // [blocks][rows], where items are blocks
};

/// A panel that a worker has not begun yet.
struct NextPanel {
  QuantizedMatrix slice;  // of no rows: unknown
  int64_t row = 0;
};

/// How all tasks of a call are: their items one behind the other.
class LinearPlan {
 public:
  LinearPlan(std::span<const LinearTask> tasks, int64_t tokens, bool streamed, int workers,
             int32_t* sums)
      : streamed_(streamed), workers_(workers) {
    CHECK(tasks.size() <= kMaxTasks);
    int64_t all_sums = 0;
    for (const LinearTask& task : tasks) {
      if (has_steps(task)) all_sums += task.matrix->rows * block_count(*task.matrix);
    }
    by_inputs_ = tokens == 1 && all_sums <= kBlockSumsMax;
    for (const LinearTask& task : tasks) {
      Share& share = shares_[count_++];
      share = {&task, panels(*task.matrix).count(), 0, sums};
      if (by_inputs_ && has_steps(task)) {
        const int64_t blocks = block_count(*task.matrix);
        const int64_t bytes = static_cast<int64_t>(matrix_bytes(*task.matrix));
        share.item_blocks = std::clamp<int64_t>(kItemBytes * blocks / bytes, 1, blocks);
        share.items = (blocks + share.item_blocks - 1) / share.item_blocks;
        sums += task.matrix->rows * blocks;
      }
      items_ += share.items;
    }
  }

  bool by_inputs() const { return by_inputs_; }
  int64_t items() const { return items_; }
  std::span<const Share> shares() const { return {shares_.data(), count_}; }

  /// An item of the call is an item of one of its tasks.
  struct Item {
    const Share& share;
    int64_t index;  // within the task
  };
  Item find(int64_t item) const {
    size_t i = 0;
    for (; item >= shares_[i].items; ++i) item -= shares_[i].items;
    return {shares_[i], item};
  }

  /// Of an item that is a panel: the one that its worker is likely to take next, if it is alike.
  NextPanel after(int64_t item) const {
    if (item + workers_ >= items_) return {};
    const Item later = find(item + workers_);
    const QuantizedMatrix& matrix = *later.share.task->matrix;
    const bool alike = matrix.layout == find(item).share.task->matrix->layout;
    if (later.share.item_blocks > 0 || !alike) return {};
    const int64_t row = panels(matrix).range(later.index).begin;
    return {slice_at(matrix, row), row_in_slice(matrix, row)};
  }

  RowPanels panels(const QuantizedMatrix& matrix) const {
    return streamed_ ? RowPanels::streamed(matrix, workers_) : RowPanels::cached(matrix, workers_);
  }

 private:
  bool streamed_;
  int workers_;
  bool by_inputs_ = false;
  std::array<Share, kMaxTasks> shares_;
  size_t count_ = 0;
  int64_t items_ = 0;
};

void CpuBackend::product(const QuantizedMatrix& matrix, Precision precision, RowRange range,
                         const TileInput& input, const ProductOutput& output) const noexcept {
  for (int64_t row = range.begin; row < range.end;) {
    const QuantizedMatrix slice = slice_at(matrix, row);
    const int64_t first = row_in_slice(matrix, row);
    const int64_t end = std::min(slice.rows, first + range.end - row);
    const ProductOutput to{output.values + row - range.begin, output.stride};
    if (wants_int8(matrix, precision)) {
      int8_product(kernels_, matrix.layout)(slice, first, end, input.quantized, to);
    } else {
      float_product(kernels_, matrix.layout)(slice, first, end, {input.rows, input.tokens}, to);
    }
    row += end - first;
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
                              int64_t tokens, const NextPanel& next,
                              WorkerScratch& worker) noexcept {
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
        use_copy(input.quantized, worker.copy.as<uint32_t>(), i, tiles.count());
        hint(input.quantized, next.slice.rows > 0 ? &next.slice : nullptr, next.row);
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

void CpuBackend::scale_linear(std::span<const Share> shares) noexcept {
  int64_t panels = 0;
  const auto panels_of = [](const Share& share) {
    return share.item_blocks == 0 ? 0 : (share.task->matrix->rows + kScaledRows - 1) / kScaledRows;
  };
  for (const Share& share : shares) panels += panels_of(share);
  pool_.parallel_for(panels, [&](int64_t panel, int worker) {
    size_t i = 0;
    for (; panel >= panels_of(shares[i]); ++i) panel -= panels_of(shares[i]);
    const LinearTask& task = *shares[i].task;
    const QuantizedMatrix& matrix = *task.matrix;
    const int64_t begin = panel * kScaledRows;
    const int64_t end = std::min(begin + kScaledRows, matrix.rows);
    float* y = task.accumulate ? scratch(worker) : task.output + begin;
    int8_scale_sums(kernels_, matrix.layout)(matrix, begin, end,
                                             inputs_.find(matrix).tile(input_shape(matrix), 0, 1),
                                             shares[i].sums, y);
    if (task.accumulate) kernels_.accumulate(y, 1.0f, end - begin, task.output + begin);
  });
}

void CpuBackend::linear(std::span<const LinearTask> tasks, const float* x,
                        int64_t tokens) noexcept {
  if (tokens == 0) return;
  inputs_.clear();
  for (const LinearTask& task : tasks) {
    CHECK(task.matrix->cols == tasks[0].matrix->cols);
    if (wants_int8(*task.matrix, task.precision)) inputs_.want(*task.matrix);
  }
  quantize_tiles(x, tasks[0].matrix->cols, tokens);
  const LinearPlan plan(tasks, tokens, tokens <= kernels_.tile_tokens, threads(),
                        block_sums_.as<int32_t>());
  pool_.parallel_for(plan.items(), [&](int64_t item, int worker) {
    const auto& [share, index] = plan.find(item);
    const QuantizedMatrix& matrix = *share.task->matrix;
    if (share.item_blocks == 0) {
      return linear_panel(*share.task, plan.panels(matrix).range(index), x, tokens,
                          plan.after(item), workers_[static_cast<size_t>(worker)]);
    }
    const int64_t begin = index * share.item_blocks;
    const int64_t end = std::min(begin + share.item_blocks, block_count(matrix));
    int8_block_sums(kernels_, matrix.layout)(matrix, begin, end,
                                             inputs_.find(matrix).tile(input_shape(matrix), 0, 1),
                                             share.sums + begin * matrix.rows);
  });
  if (plan.by_inputs()) scale_linear(plan.shares());
}

}  // namespace hearth
