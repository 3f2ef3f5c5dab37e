// Random weights in memory, in the sizes and layouts of a model, for a few of its layers.
#pragma once

#include <cstdint>
#include <deque>

#include "backend/backend.h"
#include "checkpoint/model_config.h"
#include "model/weights.h"
#include "os/memory_block.h"

namespace hearth {

struct SampleWeights {
  ModelWeights weights;  // point into the memory
  std::deque<MemoryBlock> memory;
  uint64_t expert_bytes = 0;  // of the memory
};

/// Weights for the layers of `config`, which are the first of `outline`'s, with outputs as large as
/// `hearth synth` makes them. All layers share routed experts of up to `expert_bytes`, or half of
/// what memory is left when that is less; the embedding shares the head's memory where their
/// layouts agree. Throws MemoryError when half of the available memory is not enough.
SampleWeights make_sample_weights(const ModelConfig& config, const ModelWeights& outline,
                                  Backend& backend, PageSize pages, uint64_t expert_bytes);

}  // namespace hearth
