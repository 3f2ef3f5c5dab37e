// A Hugging Face model folder: its mapped safetensors files and its JSON files, validated once.
//
// The folder holds either `model.safetensors` or `model.safetensors.index.json` with the shards it
// names. Opening checks every shard's header (offsets, overlaps, dtypes, shapes, duplicate names,
// exact cover of the data section) and that index and shards agree, and reads no tensor data.
// The index decides: safetensors files that it does not name are not opened (adapters, other
// exports), except that a `model.safetensors` beside an index that does not name it is an error,
// since libraries disagree on which of the two is the model.
#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/shard_memory.h"
#include "os/file_reader.h"
#include "tensor/tensor_view.h"

namespace hearth {

struct ShardIndex;

/// One tensor of a checkpoint. `name` and `view` are valid as long as the Checkpoint.
struct CheckpointTensor {
  std::string name;
  TensorView view;
  uint32_t shard = 0;  // index into Checkpoint::shards()
};

struct CheckpointShard {
  std::filesystem::path path;
  uint64_t file_bytes = 0;
  uint64_t tensor_count = 0;
  uint64_t tensor_bytes = 0;
};

/// How tensors are brought into memory.
struct ResidentOptions {
  bool lock = false;                 // never swap it out
  std::optional<ReadMethod> method;  // none: the fastest that works here
  std::function<void(uint64_t done, uint64_t total)> progress = [](uint64_t, uint64_t) {};
};

class Checkpoint {
 public:
  /// Maps and validates the folder. Throws LoadError.
  explicit Checkpoint(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  std::span<const CheckpointShard> shards() const { return shards_; }

  /// All tensors, sorted by name.
  std::span<const CheckpointTensor> tensors() const { return tensors_; }

  /// The tensor, or null.
  const CheckpointTensor* find(std::string_view name) const;

  /// The tensor's view; throws LoadError when it is absent or its shape differs. A dimension of −1
  /// matches any size. dtypes lists the ones that are acceptable (empty: any).
  TensorView require(std::string_view name, std::span<const int64_t> shape,
                     std::span<const DType> dtypes = {}) const;
  TensorView require(std::string_view name, std::initializer_list<int64_t> shape,
                     std::initializer_list<DType> dtypes = {}) const {
    return require(name, std::span(shape.begin(), shape.size()),
                   std::span(dtypes.begin(), dtypes.size()));
  }

  /// Where the tensors that `wanted` names lie: one range for each shard that has some, without a
  /// target.
  std::vector<FileRange> file_ranges(bool (*wanted)(std::string_view tensor)) const;

  /// The mapped bytes of these ranges.
  std::vector<std::span<const std::byte>> mapped_ranges(
      bool (*wanted)(std::string_view tensor)) const;

  /// Reads the ranges of the wanted tensors into huge pages and unmaps their shards. Views handed
  /// out before are void. Wanted tensors only may be used afterwards. Throws LoadError and
  /// MemoryError.
  ReadReport make_resident(bool (*wanted)(std::string_view tensor), const ResidentOptions& options);

  /// Bytes of anonymous memory that hold shards.
  size_t resident_bytes() const;

  /// The file that holds the tensor, for error messages; the folder when it is absent.
  std::filesystem::path file_of(std::string_view name) const;

 private:
  /// The part of a shard in which its wanted tensors lie; begin is a multiple of kReadAlignment.
  struct ShardSpan {
    size_t shard = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  std::vector<ShardSpan> spans(bool (*wanted)(std::string_view tensor)) const;
  /// Maps the named files of the folder and fills shards_, files_ and tensors_.
  void open_shards(const std::vector<std::string>& names);
  /// Throws unless the index names exactly the tensors of the shards, each in its shard.
  void check_index(const ShardIndex& index) const;

  std::filesystem::path directory_;
  std::vector<CheckpointShard> shards_;
  std::vector<ShardMemory> files_;  // parallel to shards_
  std::vector<CheckpointTensor> tensors_;
};

}  // namespace hearth
