// model.safetensors.index.json: which shard holds which tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace hearth {

struct ShardIndex {
  struct Row {
    std::string tensor;
    uint32_t shard = 0;  // index into files
  };
  std::vector<std::string> files;  // plain file names, in the order of their first mention
  std::vector<Row> rows;           // sorted by tensor name, no doubles
};

/// Parses a mapped index; `path` is for messages. Only weight_map counts; metadata (total_size is
/// wrong in many published checkpoints) and other fields are skipped. Shard names must be plain
/// names of .safetensors files, so that an index cannot reach outside its folder. Throws LoadError.
ShardIndex parse_shard_index(std::span<const std::byte> file, const std::filesystem::path& path);

}  // namespace hearth
