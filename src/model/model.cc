#include "model/model.h"

#include <algorithm>
#include <utility>

#include "model/families/family.h"
#include "model/rope.h"

namespace hearth {
namespace {

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
                        .kv_type = options.exact ? KvType::kF32 : KvType::kBf16}};
}

size_t expert_bytes(const ExpertWeights& expert) {
  return matrix_bytes(expert.gate) + matrix_bytes(expert.up) + matrix_bytes(expert.down);
}

size_t moe_bytes(const MoeWeights& moe, int64_t experts_per_token) {
  // Experts of a layer may differ in precision; a token reads an average one.
  size_t all = 0;
  for (const ExpertWeights& expert : moe.experts) all += expert_bytes(expert);
  return matrix_bytes(moe.router) + matrix_bytes(moe.shared_gate) + expert_bytes(moe.shared) +
         all * static_cast<size_t>(experts_per_token) / moe.experts.size();
}

size_t mixer_bytes(const LayerWeights& layer, MixerKind kind) {
  size_t bytes = 0;
  if (kind == MixerKind::kGatedDelta) {
    for (const QuantizedMatrix* m : {&layer.delta.qkvz, &layer.delta.ba, &layer.delta.out}) {
      bytes += matrix_bytes(*m);
    }
  } else {
    const GatedAttentionWeights& a = layer.attention;
    for (const QuantizedMatrix* m : {&a.query_gate, &a.key, &a.value, &a.out}) {
      bytes += matrix_bytes(*m);
    }
  }
  return bytes;
}

}  // namespace

Model::Model(const std::filesystem::path& directory, Backend& backend, const ModelOptions& options)
    : config_(load_model_config(directory)), options_(options), backend_(&backend) {
  const QuantizationConfig quantization = load_quantization_config(directory);
  checkpoint_.emplace(directory);
  weights_ = find_family(*checkpoint_, config_).load(*checkpoint_, config_, quantization, backend);
  requantised_ = RequantisedCopies(weights_, options_.head, options_.dense, backend);
  state_shape_ = state_shape_of(config_, options_);
  RopeFrequencies rope = rope_frequencies(config_);
  inverse_frequencies_ = std::move(rope.inverse);
  rope_scale_ = rope.scale;
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

size_t Model::bytes_per_token() const {
  size_t bytes = matrix_bytes(weights_.head) +
                 matrix_bytes(weights_.embedding) / static_cast<size_t>(config_.vocab_size);
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    const LayerWeights& layer = weights_.layers[i];
    bytes +=
        mixer_bytes(layer, config_.layers[i]) + moe_bytes(layer.moe, config_.experts_per_token);
  }
  return bytes;
}

BackendLimits Model::limits(int64_t tokens) const {
  const DeltaGeometry& delta = state_shape_.delta;
  const AttentionGeometry& attention = state_shape_.attention;
  const int64_t expert_width = std::max(config_.expert_dim, config_.shared_expert_dim);
  return {.tokens = tokens,
          .columns = std::max({config_.hidden_size, delta.values(), attention.queries()}),
          .experts = config_.expert_count,
          .experts_per_token = config_.experts_per_token,
          .expert_width = expert_width,
          .hidden = config_.hidden_size,
          .delta = delta,
          .attention = attention};
}

Workspace::Workspace(const Model& model, int64_t max_tokens, int64_t max_segments,
                     int64_t max_logit_rows)
    : max_tokens_(max_tokens),
      max_segments_(max_segments),
      max_logit_rows_(max_logit_rows),
      vocab_(model.config().vocab_size) {
  model.backend().reserve(model.limits(std::max(max_tokens, max_logit_rows)));
  const DeltaGeometry& delta = model.state_shape().delta;
  const AttentionGeometry& attention = model.state_shape().attention;
  const int64_t hidden = model.config().hidden_size;
  const std::pair<float**, int64_t> buffers[] = {
      {&residual_, max_tokens * hidden},
      {&normed_, max_tokens * hidden},
      {&projected_, max_tokens * std::max(delta.projected(), 2 * attention.queries())},
      {&ba_, max_tokens * 2 * delta.value_heads},
      {&keys_, max_tokens * attention.kv()},
      {&values_, max_tokens * attention.kv()},
      {&mixed_, max_tokens * std::max(delta.values(), attention.queries())},
      {&rope_cos_, max_tokens * attention.rotary_dim / 2},
      {&rope_sin_, max_tokens * attention.rotary_dim / 2},
      {&logit_input_, max_logit_rows * hidden},
      {&logits_, max_logit_rows * vocab_},
  };
  constexpr int64_t kAlign = 16;  // floats: one cache line
  const auto padded = [](int64_t floats) { return (floats + kAlign - 1) / kAlign * kAlign; };
  int64_t total = 0;
  for (const auto& [pointer, floats] : buffers) total += padded(floats);
  memory_ = MemoryBlock(static_cast<size_t>(total) * sizeof(float));
  float* next = static_cast<float*>(memory_.data());
  for (const auto& [pointer, floats] : buffers) {
    *pointer = next;
    next += padded(floats);
  }
  tokens_.resize(static_cast<size_t>(max_tokens));
  positions_.resize(static_cast<size_t>(max_tokens));
  delta_segments_.resize(static_cast<size_t>(max_segments));
  attention_segments_.resize(static_cast<size_t>(max_segments));
}

}  // namespace hearth
