// From what a checkpoint stores for a linear layer to a matrix that kernels compute with.
//
// A format is recognised per module from the tensors that are present, never from the config
// alone: mixed checkpoints are the rule. A new packing is one file here and one row in
// registry.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "tensor/quantized_matrix.h"

namespace hearth {

/// A module of the checkpoint ("model.layers.0.mlp.gate", without ".weight" or ".qweight") and
/// the geometry that the model expects of it.
struct LinearModule {
  std::string_view name;
  int64_t rows = 0;  // outputs
  int64_t cols = 0;  // inputs
};

struct Format {
  std::string_view name;  // for `hearth show`, e.g. "gptq"
  /// Whether the module's tensors are of this packing.
  bool (*recognises)(const Checkpoint&, std::string_view module);
  /// The matrix, in place. Throws LoadError on wrong shapes, dtypes or values.
  QuantizedMatrix (*load)(const Checkpoint&, const QuantizationConfig&, const LinearModule&);
};

/// Every packing that hearth reads, in the order in which they are tried.
std::span<const Format> all_formats();

/// The one format of the module. Throws LoadError when none fits, when two do, or when the module
/// is of a packing that hearth knows but does not read.
const Format& find_format(const Checkpoint&, std::string_view module);

/// Finds the format of the module and loads it, in place. Throws LoadError as find_format and the
/// format do. Const and without shared state: modules may be loaded by several threads.
QuantizedMatrix load_linear(const Checkpoint&, const QuantizationConfig&, const LinearModule&);

}  // namespace hearth
