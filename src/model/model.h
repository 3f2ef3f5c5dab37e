// A loaded model: const after construction, run over batches of sequence segments.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "model/model_files.h"
#include "model/requantise.h"
#include "model/sequence_state.h"
#include "model/weights.h"

namespace hearth {

/// Prompt tokens of one forward pass, unless said otherwise. With so many an expert of 512 meets
/// twenty on average, enough for its products to take longer than reading its weights.
inline constexpr int64_t kDefaultChunk = 1024;

struct ModelOptions {
  /// Float activations and a float KV cache everywhere: slow, for comparison with the reference.
  bool exact = false;
  DeltaForm delta_form = DeltaForm::kRecurrent;
  KvType kv = KvType::kBf16;  // of the KV cache; exact: kF32
  HeadBits head = HeadBits::kCheckpoint;
  DenseBits dense = DenseBits::kCheckpoint;
};

/// The sizes of what a model of this config takes.
StateShape state_shape_of(const ModelConfig& config, const ModelOptions& options);
BackendLimits backend_limits(const ModelConfig& config, const StateShape& shape, int64_t tokens);
/// The size of a Workspace's buffers.
size_t workspace_bytes(const ModelConfig& config, const StateShape& shape, int64_t max_tokens,
                       int64_t max_logit_rows);

/// The next tokens of one sequence.
struct Segment {
  SequenceState* state = nullptr;  // with room for the tokens (SequenceState::reserve)
  std::span<const int32_t> tokens;
  int64_t logit_rows = 0;  // logits are wanted for that many last tokens
};

/// Sees the residual stream [tokens, hidden] after the embedding (layer −1) and after each layer.
struct ResidualObserver {
  void (*observe)(void* context, int64_t layer, const float* residual, int64_t tokens) = nullptr;
  void* context = nullptr;
};

class Model;

/// Buffers of a forward pass, sized once. One at a time per pass.
class Workspace {
 public:
  /// For batches of up to max_tokens tokens, max_segments segments and max_logit_rows rows of
  /// logits. Reserves the backend's scratch as well. Throws MemoryError.
  Workspace(const Model& model, int64_t max_tokens, int64_t max_segments, int64_t max_logit_rows);

  int64_t max_tokens() const { return max_tokens_; }
  int64_t max_logit_rows() const { return max_logit_rows_; }
  size_t bytes() const { return memory_.bytes(); }

  /// Rows of logits [vocab] of the last pass, in the order of the batch's segments.
  const float* logits(int64_t row) const { return logits_ + row * vocab_; }

  /// Of all passes so far.
  const ExpertUses& expert_uses() const { return expert_uses_; }

  ResidualObserver observer;

 private:
  friend class ForwardPass;

  int64_t max_tokens_;
  int64_t max_segments_;
  int64_t max_logit_rows_;
  int64_t vocab_;
  MemoryBlock memory_;
  float* residual_ = nullptr;     // [tokens, hidden]
  float* normed_ = nullptr;       // [tokens, hidden]
  float* projected_ = nullptr;    // [tokens, widest projection]: qkvz, or queries with gates
  float* ba_ = nullptr;           // [tokens, 2·value_heads]
  float* keys_ = nullptr;         // [tokens, kv]
  float* values_ = nullptr;       // [tokens, kv]
  float* mixed_ = nullptr;        // [tokens, widest mixer output]
  float* rope_cos_ = nullptr;     // [tokens, rotary_dim/2]
  float* rope_sin_ = nullptr;     // [tokens, rotary_dim/2]
  float* logit_input_ = nullptr;  // [logit rows, hidden]
  float* logits_ = nullptr;       // [logit rows, vocab]
  ExpertUses expert_uses_;
  std::vector<int32_t> tokens_;
  std::vector<int64_t> positions_;
  std::vector<DeltaSegment> delta_segments_;
  std::vector<AttentionSegment> attention_segments_;
};

class Model {
 public:
  /// Maps and reads the folder. The backend must outlive the model. Throws LoadError.
  Model(const std::filesystem::path& directory, Backend& backend, const ModelOptions& options);
  /// A model over files that are opened, and perhaps resident, already. Throws LoadError and
  /// MemoryError.
  Model(ModelFiles files, Backend& backend, const ModelOptions& options);
  /// A model over given weights, e.g. made in memory.
  Model(ModelConfig config, ModelWeights weights, Backend& backend, const ModelOptions& options);

  /// The folder that the model was read from; empty for one made in memory.
  std::filesystem::path directory() const {
    return checkpoint_ ? checkpoint_->directory() : std::filesystem::path();
  }
  const ModelConfig& config() const { return config_; }
  /// What is read of the mapped files; empty when they are resident.
  const std::vector<std::span<const std::byte>>& mapped_ranges() const { return mapped_ranges_; }
  const ModelWeights& weights() const { return weights_; }
  const ModelOptions& options() const { return options_; }
  const StateShape& state_shape() const { return state_shape_; }
  Backend& backend() const { return *backend_; }

  /// What was re-quantised when the model was loaded.
  const RequantisedCopies& requantised() const { return requantised_; }

  /// Runs all layers over the batch, advances its states, and leaves the wanted logits in the
  /// workspace. Tokens must be below vocab_size, and the batch within the workspace's limits.
  void forward(std::span<const Segment> batch, Workspace& workspace) const noexcept;

 private:
  friend class ForwardPass;
  friend class Workspace;

  std::optional<Checkpoint> checkpoint_;  // none for a model made in memory
  std::vector<std::span<const std::byte>> mapped_ranges_;
  ModelConfig config_;
  ModelOptions options_;
  Backend* backend_;
  ModelWeights weights_;
  RequantisedCopies requantised_;
  StateShape state_shape_;
  std::vector<float> inverse_frequencies_;  // [rotary_dim/2]
  float rope_scale_ = 1.0f;
};

}  // namespace hearth
