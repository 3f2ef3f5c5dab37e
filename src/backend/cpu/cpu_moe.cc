// Mixture of experts on the CPU. Tokens are grouped by expert, so that each weight is read once for
// all tokens that chose it. Three loops: the router; gate, up and SiLU·mul per expert, in panels of
// its width; down per panel of the hidden size, over all experts in increasing order, so that a
// token's sum is formed in the same order in any batch. Few tokens are bound by memory: a worker
// then takes whole experts, down too, front to back, and the third loop only sums, in that order.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "base/check.h"
#include "base/prefetch.h"

namespace hearth {
namespace {

/// Inner values that a worker computes at once: many, for long pieces of weight rows are worth more
/// than a panel that stays in the first cache level. And those of an item where an expert is split.
/// Multiples of every activation block.
constexpr int64_t kInnerPanel = 4 * kMaxActivationBlock;
constexpr int64_t kInnerSplit = kMaxActivationBlock;
static_assert(2 * kInnerPanel <= kPanelRowsMax);  // gate and up share a worker's scratch

/// Experts a worker from which on whole experts are items: with fewer, single panels are, whose
/// weights lie in short pieces.
constexpr int64_t kWholeExperts = 4;
/// Most experts of an item, and the fewest items of a worker before they have more than one. Within
/// an item it is known what is read next.
constexpr int64_t kItemExperts = 8;
constexpr int64_t kItemsPerWorker = 16;

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

/// Router logits that are looked at together: seldom is one of them among the chosen.
constexpr int64_t kLogitsAtOnce = 16;

/// Of kLogitsAtOnce values; without branches, so that compilers make vectors of it.
bool any_above(const float* values, float limit) {
  int above = 0;
  for (int64_t i = 0; i < kLogitsAtOnce; ++i) above |= values[i] > limit ? 1 : 0;
  return above != 0;
}

/// Tiles from which on copying the weights of a panel pays.
constexpr int64_t kCopyTiles = 7;

}  // namespace

void CpuBackend::route_token(const MoeTask& task, int64_t token) noexcept {
  const int64_t experts = static_cast<int64_t>(task.experts.size());
  const int64_t chosen = task.experts_per_token;
  const float* logits = router_logits_.data() + token * experts;
  int32_t* ids = chosen_.data() + token * chosen;
  float* weights = chosen_weights_.data() + token * chosen;
  // Insertion into a short sorted list, whose logits are in `weights` until all are known; of
  // equal logits the lower id comes first.
  int64_t filled = 0;
  for (int64_t first = 0; first < experts; first += kLogitsAtOnce) {
    const int64_t end = std::min(first + kLogitsAtOnce, experts);
    const bool whole = end - first == kLogitsAtOnce;
    if (whole && filled == chosen && !any_above(logits + first, weights[chosen - 1])) continue;
    for (int64_t e = first; e < end; ++e) {
      if (filled == chosen && !(logits[e] > weights[chosen - 1])) continue;
      filled = std::min(filled + 1, chosen);
      int64_t at = filled - 1;
      for (; at > 0 && logits[e] > weights[at - 1]; --at) {
        weights[at] = weights[at - 1];
        ids[at] = ids[at - 1];
      }
      weights[at] = logits[e];
      ids[at] = static_cast<int32_t>(e);
    }
  }
  // Softmax, over the chosen alone when their weights are to sum to one (the same thing).
  const float largest = weights[0];
  float total = 0.0f;
  for (int64_t i = 0; i < chosen; ++i) {
    weights[i] = std::exp(weights[i] - largest);
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
    if (task.uses) {
      task.uses->add(task.layer, static_cast<int64_t>(e), static_cast<uint64_t>(expert_counts_[e]));
    }
    runs_[run_count_++] = {&task.experts[e], {first, expert_counts_[e]}};
    first += expert_counts_[e];
  }
  for (int64_t i = 0; i < choices; ++i) {
    const size_t slot =
        static_cast<size_t>(expert_cursor_[static_cast<size_t>(chosen_[size_t(i)])]++);
    slot_tokens_[slot] = static_cast<int32_t>(i / task.experts_per_token);
    slot_weights_[slot] = chosen_weights_[static_cast<size_t>(i)];
  }
  runs_[run_count_++] = {task.shared, {first, task.tokens}};
  for (int64_t t = 0; t < task.tokens; ++t) {
    slot_tokens_[static_cast<size_t>(first + t)] = static_cast<int32_t>(t);
    slot_weights_[static_cast<size_t>(first + t)] = sigmoid(shared_logits_[static_cast<size_t>(t)]);
  }
}

void CpuBackend::list_inner_items() noexcept {
  inner_items_.clear();
  const int64_t runs = static_cast<int64_t>(run_count_);
  const int64_t experts_per_worker = runs / threads();
  const int64_t group = std::clamp<int64_t>(experts_per_worker / kItemsPerWorker, 1, kItemExperts);
  // The shared expert, which meets all tokens, comes first: no worker is left with it at the end.
  split_expert(runs_[run_count_ - 1]);
  for (int64_t r = 0; r + 1 < runs;) {
    if (experts_per_worker < kWholeExperts) {
      split_expert(runs_[size_t(r++)]);
      continue;
    }
    const int64_t end = std::min(r + group, runs - 1);
    inner_items_.push_back({&runs_[size_t(r)], end - r, {0, runs_[size_t(r)].weights->gate.rows}});
    r = end;
  }
}

void CpuBackend::split_expert(const ExpertRun& run) noexcept {
  const int64_t rows = run.weights->gate.rows;
  for (int64_t n = 0; n < rows; n += kInnerSplit) {
    inner_items_.push_back({&run, 1, {n, std::min(n + kInnerSplit, rows)}});
  }
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
                                  {0, task.hidden}, {token, 1, 0});
  });
}

TileInput CpuBackend::expert_input(const MoeTask& task, const QuantizedMatrix& matrix,
                                   const SlotRange& slots, GatheredTile& scratch) noexcept {
  const std::span<const int32_t> tokens(&slot_tokens_[static_cast<size_t>(slots.first)],
                                        static_cast<size_t>(slots.count));
  TileInput input{.rows = scratch.rows, .quantized = {}, .tokens = static_cast<int>(slots.count)};
  if (wants_int8(matrix, task.precision)) {
    input.quantized =
        gather(kernels_, inputs_.find(matrix), input_shape(matrix), tokens, scratch.quantized);
  } else {
    for (size_t i = 0; i < tokens.size(); ++i) {
      scratch.rows[i] = task.input + tokens[i] * task.hidden;
    }
  }
  return input;
}

void CpuBackend::expert_panel(const MoeTask& task, const ExpertWeights& weights, RowRange range,
                              const SlotRange& slots, const TileInput& gate_input,
                              const TileInput& up_input, float* scratch) noexcept {
  const int64_t count = range.end - range.begin;
  float* gate = scratch;
  float* up = gate + slots.count * count;
  product(weights.gate, task.precision, range, gate_input, {gate, count});
  product(weights.up, task.precision, range, up_input, {up, count});
  const bool quantized = wants_int8(weights.down, task.precision);
  const int tokens = static_cast<int>(slots.count);
  for (int t = 0; t < tokens; ++t) {
    float* inner = gate + t * count;
    kernels_.swiglu(inner, up + t * count, count);
    if (quantized) {
      inner_.quantize(kernels_, input_shape(weights.down), inner, {range.begin, range.end},
                      {slots.first, tokens, t});
    } else {
      std::memcpy(
          inner_values_.as<float>() + (slots.first + t) * limits_.expert_width + range.begin, inner,
          static_cast<size_t>(count) * sizeof(float));
    }
  }
}

void CpuBackend::expert_inner(const MoeTask& task, const ExpertRun& run, RowRange rows,
                              const QuantizedMatrix* next, WorkerScratch& worker) noexcept {
  const ExpertWeights& weights = *run.weights;
  const TokenTiles tiles(run.slots.count, kernels_);
  const bool same = input_shape(weights.gate) == input_shape(weights.up);
  const int64_t panel_rows = std::min(kInnerPanel, rows.end - rows.begin);
  const bool copy = tiles.count() >= kCopyTiles && panel_rows == rows.end - rows.begin &&
                    panel_rows * task.hidden * 2 <= kCachedBytes;
  for (int64_t begin = 0; begin < tiles.count(); begin += kGatherTiles) {
    const int64_t end = std::min(begin + kGatherTiles, tiles.count());
    SlotRange slots[kGatherTiles];
    TileInput gate[kGatherTiles];
    TileInput up[kGatherTiles];
    for (int64_t i = 0; i < end - begin; ++i) {
      slots[i] = {run.slots.first + tiles.first(begin + i), tiles.size(begin + i)};
      gate[i] = expert_input(task, weights.gate, slots[i], worker.gathered[i]);
      up[i] = same ? gate[i]
                   : expert_input(task, weights.up, slots[i], worker.gathered[kGatherTiles + i]);
    }
    for (int64_t n = rows.begin; n < rows.end; n += panel_rows) {
      const RowRange range{n, std::min(n + panel_rows, rows.end)};
      for (int64_t i = 0; i < end - begin; ++i) {
        const bool last = i + 1 == end - begin;
        if (copy) {
          uint32_t* words = worker.copy.as<uint32_t>();
          use_copy(gate[i].quantized, words, begin + i, tiles.count());
          use_copy(up[i].quantized, words + kCachedBytes / 8, begin + i, tiles.count());
        }
        hint(gate[i].quantized, i == 0 ? &weights.up : nullptr, n);
        if (!last && !copy) {
          hint(up[i].quantized, nullptr, 0);
        } else if (range.end < rows.end) {
          hint(up[i].quantized, &weights.gate, range.end);
        } else {
          hint(up[i].quantized, next, rows.begin);
        }
        expert_panel(task, weights, range, slots[i], gate[i], up[i], worker.floats());
      }
    }
  }
}

void CpuBackend::expert_items(const MoeTask& task, const InnerItem& item,
                              WorkerScratch& worker) noexcept {
  for (int64_t i = 0; i < item.run_count; ++i) {
    const ExpertRun* next = i + 1 < item.run_count ? &item.runs[i + 1] : nullptr;
    expert_inner(task, item.runs[i], item.rows, next ? &next->weights->gate : nullptr, worker);
  }
}

TileInput CpuBackend::down_input(const MoeTask& task, const QuantizedMatrix& down,
                                 const SlotRange& slots, GatheredTile& scratch) noexcept {
  TileInput input{.rows = scratch.rows, .quantized = {}, .tokens = static_cast<int>(slots.count)};
  if (wants_int8(down, task.precision)) {
    input.quantized = inner_.tile(input_shape(down), slots.first, input.tokens);
  } else {
    for (int64_t t = 0; t < slots.count; ++t) {
      scratch.rows[t] = inner_values_.as<float>() + (slots.first + t) * limits_.expert_width;
    }
  }
  return input;
}

void CpuBackend::expert_down(const MoeTask& task, RowRange range, WorkerScratch& worker) noexcept {
  const int64_t count = range.end - range.begin;
  float* products = worker.floats();
  for (size_t r = 0; r < run_count_; ++r) {
    const ExpertRun& run = runs_[r];
    const QuantizedMatrix& down = run.weights->down;
    const TokenTiles tiles(run.slots.count, kernels_);
    for (int64_t i = 0; i < tiles.count(); ++i) {
      const int64_t first = run.slots.first + tiles.first(i);
      TileInput input = down_input(task, down, {first, tiles.size(i)}, worker.gathered[0]);
      if (tiles.count() >= kCopyTiles && count * down.cols <= kCachedBytes) {
        use_copy(input.quantized, worker.copy.as<uint32_t>(), i, tiles.count());
      }
      if (r + 1 < run_count_ && i + 1 == tiles.count()) {
        hint(input.quantized, &runs_[r + 1].weights->down, range.begin);
      }
      product(down, task.precision, range, input, {products, count});
      for (int t = 0; t < input.tokens; ++t) {
        const size_t slot = static_cast<size_t>(first + t);
        if (t + 1 < input.tokens) {
          prefetch(task.output + slot_tokens_[slot + 1] * task.hidden + range.begin, count * 4);
        }
        kernels_.accumulate(products + t * count, slot_weights_[slot], count,
                            task.output + slot_tokens_[slot] * task.hidden + range.begin);
      }
    }
  }
}

// One for each worker, of kTailRowsMin to kPanelRowsMax rows. All go through the experts side by
// side, so that what prefetchers read beyond a panel's piece of a row is what a neighbour needs.
RowPanels CpuBackend::down_panels(const MoeTask& task) const noexcept {
  const int64_t rows = task.hidden / threads() / kTailRowsMin * kTailRowsMin;
  return RowPanels::even(task.hidden, std::clamp(rows, kTailRowsMin, kPanelRowsMax));
}

void CpuBackend::whole_expert(const MoeTask& task, const ExpertRun& run,
                              WorkerScratch& worker) noexcept {
  const QuantizedMatrix& down = run.weights->down;
  expert_inner(task, run, {0, run.weights->gate.rows}, &down, worker);
  const TokenTiles tiles(run.slots.count, kernels_);
  const int64_t panel_rows = tiles.count() == 1 ? task.hidden : kCachedRowsMax;
  for (int64_t n = 0; n < task.hidden; n += panel_rows) {
    for (int64_t i = 0; i < tiles.count(); ++i) {
      const SlotRange slots{run.slots.first + tiles.first(i), tiles.size(i)};
      product(down, task.precision, {n, std::min(n + panel_rows, task.hidden)},
              down_input(task, down, slots, worker.gathered[0]),
              {slot_outputs_.as<float>() + slots.first * task.hidden + n, task.hidden});
    }
  }
}

void CpuBackend::add_slots(const MoeTask& task, RowRange range) noexcept {
  const int64_t slots = runs_[run_count_ - 1].slots.first + task.tokens;
  for (int64_t slot = 0; slot < slots; ++slot) {
    kernels_.accumulate(slot_outputs_.as<float>() + slot * task.hidden + range.begin,
                        slot_weights_[size_t(slot)], range.end - range.begin,
                        task.output + slot_tokens_[size_t(slot)] * task.hidden + range.begin);
  }
}

void CpuBackend::whole_experts(const MoeTask& task) noexcept {
  const int64_t runs = static_cast<int64_t>(run_count_);
  // The shared expert, the largest, comes first: no worker is left with it at the end.
  pool_.parallel_for(runs, [&](int64_t item, int worker) {
    whole_expert(task, runs_[size_t((item + runs - 1) % runs)], workers_[size_t(worker)]);
  });
  const RowPanels panels = RowPanels::even(task.hidden, kTailRows);
  pool_.parallel_for(panels.count(),
                     [&](int64_t panel, int) { add_slots(task, panels.range(panel)); });
}

void CpuBackend::expert_panels(const MoeTask& task) noexcept {
  list_inner_items();
  pool_.parallel_for(static_cast<int64_t>(inner_items_.size()), [&](int64_t item, int worker) {
    expert_items(task, inner_items_[static_cast<size_t>(item)],
                 workers_[static_cast<size_t>(worker)]);
  });
  const RowPanels panels = down_panels(task);
  pool_.parallel_for(panels.count(), [&](int64_t panel, int worker) {
    expert_down(task, panels.range(panel), workers_[static_cast<size_t>(worker)]);
  });
}

void CpuBackend::moe(const MoeTask& task) noexcept {
  if (task.tokens == 0) return;
  CHECK(task.tokens <= limits_.tokens);
  route(task);
  quantize_expert_inputs(task);
  if (task.tokens <= kWholeTokens) whole_experts(task);
  else expert_panels(task);
}

}  // namespace hearth
