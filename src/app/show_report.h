// What a model folder holds, counted: the content of `hearth show`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "model/families/qwen3_next_names.h"
#include "tensor/quantized_matrix.h"

namespace hearth {

/// Modules of a component that are stored alike.
struct FormatUse {
  std::string name;  // of the Format; "tensor" for what is not a linear layer
  int bits = 0;
  int64_t group_size = 0;  // 0: not in groups
  bool symmetric = true;
  uint64_t modules = 0;
  uint64_t stored_bytes = 0;

  /// "gptq 4 bit, groups of 128".
  std::string text() const;
};

struct ComponentUse {
  Component component = Component::kNorms;
  bool mtp = false;
  uint64_t tensors = 0;
  uint64_t modules = 0;
  uint64_t stored_bytes = 0;  // in the files
  uint64_t token_bytes = 0;   // read for one token, batch 1: the chosen experts, one embedding row;
                              // without zero points where they are symmetric. MTP: for one draft
  std::vector<FormatUse> formats;
};

struct ShowReport {
  std::filesystem::path folder;
  ModelConfig config;
  QuantizationConfig quantization;
  GenerationDefaults generation;
  std::vector<CheckpointShard> shards;
  std::vector<ComponentUse> components;  // main model in the order of Component, then MTP
  bool has_mtp = false;
  uint64_t unused_tensors = 0;  // of names that the model does not have
  uint64_t unused_bytes = 0;
  uint64_t available_bytes = 0;  // memory that this machine could give now

  uint64_t stored_bytes(bool mtp) const;
  uint64_t token_bytes(bool mtp) const;
  /// DeltaNet and convolution state of one sequence, float32.
  uint64_t state_bytes() const;
  /// Keys and values of one token, 16 bits each, without MTP.
  uint64_t kv_bytes_per_token() const;
};

/// Loads and checks every module of the folder as a run would. Throws LoadError.
ShowReport inspect_model(const std::filesystem::path& folder);

}  // namespace hearth
