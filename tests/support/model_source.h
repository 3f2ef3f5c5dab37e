// A tiny Qwen3-Next checkpoint in memory, to be changed by a test and then written to a folder.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace hearth::testing {

struct TensorSource {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::string bytes;
};

/// One safetensors file. Tensors are stored in the order of the list, but those of larger elements
/// first, as the real writers do to keep all aligned.
struct ShardSource {
  std::vector<TensorSource> tensors;

  TensorSource& at(std::string_view name);
  void remove(std::string_view name);
  /// The file, with a right header.
  std::string file() const;
};

struct ModelSource {
  nlohmann::json config;
  nlohmann::json generation_config;
  std::map<std::string, ShardSource> shards;  // by file name; more than one: with an index

  /// The tensor, in whichever shard.
  TensorSource& at(std::string_view name);
  void remove(std::string_view name);
  void add(TensorSource tensor);  // to the first shard
  /// The index of the shards.
  nlohmann::json index() const;
  /// Writes all files into the folder.
  void write(const std::filesystem::path& folder) const;
};

/// A safetensors file of this header text (padded to 8 bytes) and so many bytes of data.
std::string safetensors_file(std::string header, const std::string& data);

/// Two layers (DeltaNet, attention), hidden size 64, 4 experts, AutoRound's mixed recipe: 4-bit
/// experts, 8-bit projections, BF16 rest, groups of 32. Without MTP. One shard or two.
ModelSource tiny_model(int shard_count = 1);

/// Loads everything that a folder promises: configs, headers, each module. Throws LoadError.
void load_folder(const std::filesystem::path& folder);

}  // namespace hearth::testing
