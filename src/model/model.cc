#include "model/model.h"

#include <algorithm>
#include <array>
#include <utility>

#include "model/rope.h"

namespace hearth {

StateShape state_shape_of(const ModelConfig& config, const ModelOptions& options) {
  const float eps = static_cast<float>(config.rms_norm_eps);
  return {.delta_layers = config.count(MixerKind::kGatedDelta),
          .delta = {.key_heads = config.delta_key_heads,
                    .value_heads = config.delta_value_heads,
                    .key_dim = config.delta_key_dim,
                    .value_dim = config.delta_value_dim,
                    .taps = static_cast<int>(config.conv_kernel),
                    .norm_eps = eps},
          .attention_layers = config.count(MixerKind::kGatedAttention),
          .attention = {.query_heads = config.query_heads,
                        .kv_heads = config.kv_heads,
                        .head_dim = config.head_dim,
                        .rotary_dim = config.rotary_dim,
                        .norm_eps = eps,
                        .kv_type = options.exact ? KvType::kF32 : options.kv}};
}

Model::Model(const std::filesystem::path& directory, Backend& backend, const ModelOptions& options)
    : Model(ModelFiles(directory, backend), backend, options) {}

Model::Model(ModelFiles files, Backend& backend, const ModelOptions& options)
    : Model(std::move(files.config_), std::move(files.weights_), backend, options) {
  mapped_ranges_ = files.mapped_ranges();
  checkpoint_.emplace(std::move(files.checkpoint_));
}

Model::Model(ModelConfig config, ModelWeights weights, Backend& backend,
             const ModelOptions& options)
    : config_(std::move(config)),
      options_(options),
      backend_(&backend),
      weights_(std::move(weights)),
      requantised_(weights_, options.head, options.dense, backend),
      state_shape_(state_shape_of(config_, options_)) {
  RopeFrequencies rope = rope_frequencies(config_);
  inverse_frequencies_ = std::move(rope.inverse);
  rope_scale_ = rope.scale;
}

BackendLimits backend_limits(const ModelConfig& config, const StateShape& shape, int64_t tokens) {
  const int64_t expert_width = std::max(config.expert_dim, config.shared_expert_dim);
  return {
      .tokens = tokens,
      .columns = std::max({config.hidden_size, shape.delta.values(), shape.attention.queries()}),
      .experts = config.expert_count,
      .experts_per_token = config.experts_per_token,
      .expert_width = expert_width,
      .hidden = config.hidden_size,
      .delta = shape.delta,
      .attention = shape.attention};
}

namespace {

/// Floats of each buffer of a Workspace, in the order of its members, in whole cache lines.
using WorkspaceFloats = std::array<int64_t, 11>;

WorkspaceFloats workspace_floats(const ModelConfig& config, const StateShape& shape,
                                 int64_t max_tokens, int64_t max_logit_rows) {
  const DeltaGeometry& delta = shape.delta;
  const AttentionGeometry& attention = shape.attention;
  WorkspaceFloats sizes = {max_tokens * config.hidden_size,
                           max_tokens * config.hidden_size,
                           max_tokens * std::max(delta.projected(), 2 * attention.queries()),
                           max_tokens * 2 * delta.value_heads,
                           max_tokens * attention.kv(),
                           max_tokens * attention.kv(),
                           max_tokens * std::max(delta.values(), attention.queries()),
                           max_tokens * attention.rotary_dim / 2,
                           max_tokens * attention.rotary_dim / 2,
                           max_logit_rows * config.hidden_size,
                           max_logit_rows * config.vocab_size};
  constexpr int64_t kAlign = 16;  // floats: one cache line
  for (int64_t& floats : sizes) floats = (floats + kAlign - 1) / kAlign * kAlign;
  return sizes;
}

}  // namespace

size_t workspace_bytes(const ModelConfig& config, const StateShape& shape, int64_t max_tokens,
                       int64_t max_logit_rows) {
  size_t sum = 0;
  for (const int64_t floats : workspace_floats(config, shape, max_tokens, max_logit_rows)) {
    sum += static_cast<size_t>(floats) * sizeof(float);
  }
  return sum;
}

Workspace::Workspace(const Model& model, int64_t max_tokens, int64_t max_segments,
                     int64_t max_logit_rows)
    : max_tokens_(max_tokens),
      max_segments_(max_segments),
      max_logit_rows_(max_logit_rows),
      vocab_(model.config().vocab_size),
      expert_uses_(model.config().layer_count(), model.config().expert_count) {
  const ModelConfig& config = model.config();
  const StateShape& shape = model.state_shape();
  model.backend().reserve(backend_limits(config, shape, std::max(max_tokens, max_logit_rows)));
  memory_ = MemoryBlock(workspace_bytes(config, shape, max_tokens, max_logit_rows));
  float* next = memory_.as<float>();
  float** const buffers[] = {&residual_, &normed_,   &projected_, &ba_,          &keys_,  &values_,
                             &mixed_,    &rope_cos_, &rope_sin_,  &logit_input_, &logits_};
  const WorkspaceFloats sizes = workspace_floats(config, shape, max_tokens, max_logit_rows);
  for (size_t i = 0; i < sizes.size(); ++i) {
    *buffers[i] = next;
    next += sizes[i];
  }
  tokens_.resize(static_cast<size_t>(max_tokens));
  positions_.resize(static_cast<size_t>(max_tokens));
  delta_segments_.resize(static_cast<size_t>(max_segments));
  attention_segments_.resize(static_cast<size_t>(max_segments));
}

}  // namespace hearth
