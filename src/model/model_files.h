// A model folder that is opened and checked, before anything is read or copied: what memory it will
// take is known from here on (model/memory_ledger.h).
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "model/weights.h"

namespace hearth {

struct Family;

class ModelFiles {
 public:
  /// Maps and checks the folder, in parallel on the backend. Throws LoadError.
  ModelFiles(const std::filesystem::path& directory, Backend& backend);

  const ModelConfig& config() const { return config_; }
  const Checkpoint& checkpoint() const { return checkpoint_; }
  /// Views into the checkpoint; void after make_resident.
  const ModelWeights& weights() const { return weights_; }

  /// Where the tensors of a forward pass lie.
  std::vector<FileRange> ranges() const;
  std::vector<std::span<const std::byte>> mapped_ranges() const;

  /// Reads these tensors into memory. Throws LoadError, MemoryError.
  ReadReport make_resident(const ResidentOptions& options, Backend& backend);

 private:
  friend class Model;

  ModelConfig config_;
  QuantizationConfig quantization_;
  Checkpoint checkpoint_;
  const Family* family_;
  ModelWeights weights_;
};

}  // namespace hearth
