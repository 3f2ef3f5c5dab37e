// A slice of a model in memory, to measure before the model is there: its first few layers with
// random weights of the real sizes and layouts, its head, and the forward pass that would run it.
//
// What a layer takes is measured by kind, so that a whole model of such layers can be put together.
// The slice does not wait for disks, and its page tables are smaller than those of 40 GB.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "model/memory_ledger.h"
#include "model/model.h"
#include "os/memory_block.h"

namespace hearth {

struct SampleSettings {
  PageSize pages = PageSize::kHuge;  // of the weights
  /// Memory for routed experts. Layers share them: caches must not hold what a few tokens read.
  uint64_t expert_bytes = uint64_t{1} << 30;
  double seconds = 0.6;  // of one measurement, at least
};

/// Seconds of one forward pass, by what they were spent on.
struct PassSeconds {
  double embedding = 0;
  std::array<double, 2> layers{};  // of all layers of a MixerKind together
  double head = 0;

  double total() const { return embedding + layers[0] + layers[1] + head; }
};

class ModelSample {
 public:
  /// The backend must outlive it. Throws MemoryError when half of the available memory does not
  /// hold the slice.
  ModelSample(const ModelOutline& model, const ModelOptions& options, CpuBackend& backend,
              const SampleSettings& settings);

  /// Of the whole model: one token in each of `batch` sequences after `depth` tokens.
  PassSeconds decode(int64_t depth, int64_t batch = 1) const;

  /// Of the whole model: a prompt of `prompt` tokens after `depth` others, in passes of at most
  /// `chunk` tokens, to the logits of its last token.
  PassSeconds prefill(int64_t prompt, int64_t chunk, int64_t depth = 0) const;

  /// Memory that the slice takes.
  uint64_t bytes() const { return bytes_; }
  /// Of that, experts.
  uint64_t expert_bytes() const { return expert_bytes_; }

 private:
  PassSeconds chunk(int64_t tokens, int64_t depth) const;
  PassSeconds whole_model(const PassSeconds& slice) const;

  SampleSettings settings_;
  std::array<double, 2> repeats_{};  // layers of the model for one of the slice, by MixerKind
  std::deque<MemoryBlock> memory_;
  uint64_t bytes_ = 0;
  uint64_t expert_bytes_ = 0;
  std::unique_ptr<Model> model_;
  mutable std::map<std::pair<int64_t, int64_t>, PassSeconds> chunks_;  // by tokens and depth
};

}  // namespace hearth
