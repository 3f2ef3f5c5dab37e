// Mixture of experts on the CPU. Tokens are grouped by expert, so that each weight tile is read
// once for all tokens that chose it. Three loops: the router; gate, up and SiLU·mul per (tile of an
// expert's tokens, panel of its width); down per panel of the hidden size, over all experts in
// increasing order, so that a token's sum is formed in the same order in any batch.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "base/check.h"

namespace hearth {
namespace {

/// Inner values that a worker computes at once: a multiple of every activation block.
constexpr int64_t kInnerPanel = kMaxActivationBlock;

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

bool wants_int8(const QuantizedMatrix& matrix, Precision precision) {
  return precision == Precision::kInt8 && is_packed(matrix.layout);
}

int64_t panels_of(int64_t rows, int64_t panel) { return (rows + panel - 1) / panel; }

}  // namespace

void CpuBackend::route_token(const MoeTask& task, int64_t token) noexcept {
  const int64_t experts = static_cast<int64_t>(task.experts.size());
  const int64_t chosen = task.experts_per_token;
  const float* logits = router_logits_.data() + token * experts;
  int32_t* ids = chosen_.data() + token * chosen;
  float* weights = chosen_weights_.data() + token * chosen;
  // Insertion into a short sorted list; of equal logits the lower id comes first.
  int64_t filled = 0;
  for (int64_t e = 0; e < experts; ++e) {
    int64_t at = filled;
    while (at > 0 && logits[e] > logits[ids[at - 1]]) --at;
    if (at == chosen) continue;
    filled = std::min(filled + 1, chosen);
    for (int64_t i = filled - 1; i > at; --i) ids[i] = ids[i - 1];
    ids[at] = static_cast<int32_t>(e);
  }
  // Softmax, over the chosen alone when their weights are to sum to one (the same thing).
  const float largest = logits[ids[0]];
  float total = 0.0f;
  for (int64_t i = 0; i < chosen; ++i) {
    weights[i] = std::exp(logits[ids[i]] - largest);
    total += weights[i];
  }
  if (!task.normalise_top_k) {
    total = 0.0f;
    for (int64_t e = 0; e < experts; ++e) total += std::exp(logits[e] - largest);
  }
  for (int64_t i = 0; i < chosen; ++i) weights[i] /= total;
}

void CpuBackend::route(const MoeTask& task) noexcept {
  const int64_t experts = static_cast<int64_t>(task.experts.size());
  const LinearTask tasks[] = {
      {.matrix = task.router,
       .output = router_logits_.data(),
       .output_stride = experts,
       .precision = Precision::kFloat},
      {.matrix = task.shared_gate,
       .output = shared_logits_.data(),
       .output_stride = 1,
       .precision = Precision::kFloat},
  };
  linear(tasks, task.input, task.tokens);
  pool_.parallel_for(task.tokens, [&](int64_t token, int) { route_token(task, token); });
  list_slots(task);
}

void CpuBackend::list_slots(const MoeTask& task) noexcept {
  const int64_t choices = task.tokens * task.experts_per_token;
  std::fill(expert_counts_.begin(), expert_counts_.end(), 0);
  for (int64_t i = 0; i < choices; ++i) ++expert_counts_[static_cast<size_t>(chosen_[size_t(i)])];
  run_count_ = 0;
  int64_t first = 0;
  for (size_t e = 0; e < task.experts.size(); ++e) {
    expert_cursor_[e] = first;
    if (expert_counts_[e] == 0) continue;
    runs_[run_count_++] = {&task.experts[e], first, expert_counts_[e]};
    first += expert_counts_[e];
  }
  for (int64_t i = 0; i < choices; ++i) {
    const size_t slot =
        static_cast<size_t>(expert_cursor_[static_cast<size_t>(chosen_[size_t(i)])]++);
    slot_tokens_[slot] = static_cast<int32_t>(i / task.experts_per_token);
    slot_weights_[slot] = chosen_weights_[static_cast<size_t>(i)];
  }
  runs_[run_count_++] = {task.shared, first, task.tokens};
  for (int64_t t = 0; t < task.tokens; ++t) {
    slot_tokens_[static_cast<size_t>(first + t)] = static_cast<int32_t>(t);
    slot_weights_[static_cast<size_t>(first + t)] = sigmoid(shared_logits_[static_cast<size_t>(t)]);
  }
}

int64_t CpuBackend::list_tiles() noexcept {
  int64_t count = 0;
  for (size_t r = 0; r < run_count_; ++r) {
    const ExpertRun& run = runs_[r];
    const int64_t tiles = panels_of(run.count, kernels_.tile_tokens);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t first = run.count * i / tiles;
      const int64_t end = run.count * (i + 1) / tiles;
      tiles_[static_cast<size_t>(count++)] = {run.weights, run.first + first,
                                              static_cast<int>(end - first)};
    }
  }
  return count;
}

void CpuBackend::quantize_expert_inputs(const MoeTask& task) noexcept {
  inputs_.clear();
  if (task.precision != Precision::kInt8) return;
  for (size_t r = 0; r < run_count_; ++r) {
    for (const QuantizedMatrix* matrix : {&runs_[r].weights->gate, &runs_[r].weights->up}) {
      if (is_packed(matrix->layout)) inputs_.want(*matrix);
    }
  }
  pool_.parallel_for(inputs_.count() * task.tokens, [&](int64_t item, int) {
    const int64_t token = item % task.tokens;
    const int64_t form = item / task.tokens;
    inputs_.tokens(form).quantize(kernels_, inputs_.shape(form), task.input + token * task.hidden,
                                  token, 1, 0);
  });
}

TileInput CpuBackend::expert_input(const MoeTask& task, const QuantizedMatrix& matrix,
                                   std::span<const int32_t> tokens, const float** rows,
                                   WorkerScratch& worker) noexcept {
  TileInput input{.rows = rows, .quantized = {}, .tokens = static_cast<int>(tokens.size())};
  if (wants_int8(matrix, task.precision)) {
    input.quantized = gather(inputs_.find(matrix), input_shape(matrix), tokens, worker.gathered);
  } else {
    for (size_t i = 0; i < tokens.size(); ++i) rows[i] = task.input + tokens[i] * task.hidden;
  }
  return input;
}

void CpuBackend::expert_inner(const MoeTask& task, const ExpertTile& tile, int64_t panel,
                              WorkerScratch& worker) noexcept {
  const ExpertWeights& weights = *tile.weights;
  const int64_t begin = panel * kInnerPanel;
  const int64_t end = std::min(begin + kInnerPanel, weights.gate.rows);
  if (begin >= end) return;
  const std::span<const int32_t> tokens(&slot_tokens_[static_cast<size_t>(tile.first_slot)],
                                        static_cast<size_t>(tile.tokens));
  const float* rows[kMaxTileTokens];
  float* gate = worker.floats();
  float* up = gate + kMaxTileTokens * kInnerPanel;
  const TileInput gate_input = expert_input(task, weights.gate, tokens, rows, worker);
  product(weights.gate, task.precision, begin, end, gate_input, {gate, kInnerPanel});
  const bool same = input_shape(weights.gate) == input_shape(weights.up);
  const TileInput up_input =
      same ? gate_input : expert_input(task, weights.up, tokens, rows, worker);
  product(weights.up, task.precision, begin, end, up_input, {up, kInnerPanel});

  const bool quantized = wants_int8(weights.down, task.precision);
  float* values = inner_values_.as<float>();
  for (int t = 0; t < tile.tokens; ++t) {
    const int64_t slot = tile.first_slot + t;
    float* inner = gate + t * kInnerPanel;
    kernels_.swiglu(inner, up + t * kInnerPanel, end - begin);
    if (quantized) {
      inner_.quantize_part(kernels_, input_shape(weights.down), inner, begin, end, slot);
    } else {
      std::memcpy(values + slot * limits_.expert_width + begin, inner,
                  static_cast<size_t>(end - begin) * sizeof(float));
    }
  }
}

void CpuBackend::expert_down(const MoeTask& task, int64_t tiles, int64_t panel,
                             WorkerScratch& worker) noexcept {
  const int64_t rows_of_panel = task.tokens == 1 ? kPanelRowsMax : kPanelRowsMax / 4;
  const int64_t begin = panel * rows_of_panel;
  const int64_t end = std::min(begin + rows_of_panel, task.hidden);
  const float* values = inner_values_.as<float>();
  float* products = worker.floats();
  for (int64_t i = 0; i < tiles; ++i) {
    const ExpertTile& tile = tiles_[static_cast<size_t>(i)];
    const QuantizedMatrix& down = tile.weights->down;
    const float* rows[kMaxTileTokens];
    int32_t slots[kMaxTileTokens];
    for (int t = 0; t < tile.tokens; ++t) {
      slots[t] = static_cast<int32_t>(tile.first_slot + t);
      rows[t] = values + slots[t] * limits_.expert_width;
    }
    TileInput input{.rows = rows, .quantized = {}, .tokens = tile.tokens};
    if (wants_int8(down, task.precision)) {
      input.quantized = gather(inner_, input_shape(down), {slots, static_cast<size_t>(tile.tokens)},
                               worker.gathered);
    }
    product(down, task.precision, begin, end, input, {products, kPanelRowsMax});
    for (int t = 0; t < tile.tokens; ++t) {
      const size_t slot = static_cast<size_t>(slots[t]);
      float* output = task.output + slot_tokens_[slot] * task.hidden + begin;
      kernels_.accumulate(products + t * kPanelRowsMax, slot_weights_[slot], end - begin, output);
    }
  }
}

void CpuBackend::moe(const MoeTask& task) noexcept {
  if (task.tokens == 0) return;
  CHECK(task.tokens <= limits_.tokens);
  route(task);
  quantize_expert_inputs(task);
  const int64_t tiles = list_tiles();
  const int64_t inner_panels = panels_of(limits_.expert_width, kInnerPanel);
  pool_.parallel_for(tiles * inner_panels, [&](int64_t item, int worker) {
    expert_inner(task, tiles_[static_cast<size_t>(item / inner_panels)], item % inner_panels,
                 workers_[static_cast<size_t>(worker)]);
  });
  const int64_t panel = task.tokens == 1 ? kPanelRowsMax : kPanelRowsMax / 4;
  pool_.parallel_for(panels_of(task.hidden, panel), [&](int64_t item, int worker) {
    expert_down(task, tiles, item, workers_[static_cast<size_t>(worker)]);
  });
}

}  // namespace hearth
