// The model families that hearth runs: how each names its tensors. A sibling is one file here and
// one row in registry.cc.
#pragma once

#include <span>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "model/weights.h"

namespace hearth {

struct Family {
  std::string_view model_type;  // config.json's
  /// Whether the forward pass uses the tensor (and not only speculation does).
  bool (*uses)(std::string_view tensor);
  /// Reads every weight of the layers, in parallel on the backend. Throws LoadError.
  ModelWeights (*load)(const Checkpoint&, const ModelConfig&, const QuantizationConfig&, Backend&);
};

std::span<const Family> all_families();

/// The family of config.model_type. Throws LoadError for one that hearth does not run.
const Family& find_family(const Checkpoint& checkpoint, const ModelConfig& config);

bool uses_qwen3_next(std::string_view tensor);
ModelWeights load_qwen3_next(const Checkpoint&, const ModelConfig&, const QuantizationConfig&,
                             Backend&);

}  // namespace hearth
