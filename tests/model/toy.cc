#include "tests/model/toy.h"

#include <fmt/format.h>

#include <cmath>

namespace hearth::toy {
namespace {

class Builder {
 public:
  explicit Builder(ToyModel& toy) : toy_(toy), config_(toy.config) {}

  void build() {
    ModelWeights& w = toy_.weights;
    w.embedding = linear("model.embed_tokens", config_.vocab_size, config_.hidden_size);
    w.head = linear("lm_head", config_.vocab_size, config_.hidden_size);
    w.final_norm = norm("model.norm", config_.hidden_size);
    for (size_t i = 0; i < config_.layers.size(); ++i) w.layers.push_back(layer(i));
  }

 private:
  std::vector<float> uniform(const std::string& name, int64_t count, double low, double high) {
    std::vector<float> values;
    for (const double u : stream(name, static_cast<size_t>(count))) {
      values.push_back(static_cast<float>(low + (high - low) * u));
    }
    return values;
  }

  QuantizedMatrix linear(const std::string& module, int64_t rows, int64_t cols) {
    const double scale = std::sqrt(3.0 / static_cast<double>(cols));
    std::vector<float> values;
    for (const double u : stream(module + ".weight", static_cast<size_t>(rows * cols))) {
      values.push_back(static_cast<float>((-1.0 + 2.0 * u) * scale));
    }
    toy_.storage.push_back(std::move(values));
    return {.layout = QuantLayout::kF32,
            .rows = rows,
            .cols = cols,
            .weights = toy_.storage.back().data()};
  }

  std::vector<float> norm(const std::string& module, int64_t size) {
    std::vector<float> values = uniform(module + ".weight", size, -0.1, 0.1);
    for (float& value : values) value += 1.0f;
    return values;
  }

  LayerWeights layer(size_t index) {
    const std::string prefix = fmt::format("model.layers.{}.", index);
    LayerWeights layer;
    layer.input_norm = norm(prefix + "input_layernorm", config_.hidden_size);
    layer.post_attention_norm = norm(prefix + "post_attention_layernorm", config_.hidden_size);
    if (config_.layers[index] == MixerKind::kGatedAttention) {
      attention(prefix + "self_attn.", layer.attention);
    } else {
      delta(prefix + "linear_attn.", layer.delta);
    }
    moe(prefix + "mlp.", layer.moe);
    return layer;
  }

  void attention(const std::string& prefix, GatedAttentionWeights& attention) {
    const int64_t hidden = config_.hidden_size;
    const int64_t queries = config_.query_heads * config_.head_dim;
    const int64_t kv = config_.kv_heads * config_.head_dim;
    attention.query_gate = linear(prefix + "q_proj", 2 * queries, hidden);
    attention.key = linear(prefix + "k_proj", kv, hidden);
    attention.value = linear(prefix + "v_proj", kv, hidden);
    attention.out = linear(prefix + "o_proj", hidden, queries);
    attention.query_norm = norm(prefix + "q_norm", config_.head_dim);
    attention.key_norm = norm(prefix + "k_norm", config_.head_dim);
  }

  void delta(const std::string& prefix, GatedDeltaWeights& delta) {
    const int64_t heads = config_.delta_value_heads;
    const int64_t channels = config_.conv_channels();
    const int64_t taps = config_.conv_kernel;
    delta.qkvz = linear(prefix + "in_proj_qkvz",
                        2 * config_.delta_keys() + 2 * config_.delta_values(), config_.hidden_size);
    delta.ba = linear(prefix + "in_proj_ba", 2 * heads, config_.hidden_size);
    delta.out = linear(prefix + "out_proj", config_.hidden_size, config_.delta_values());
    const std::vector<float> conv = uniform(prefix + "conv1d.weight", channels * taps, -0.5, 0.5);
    delta.conv.resize(conv.size());
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < taps; ++t) {
        delta.conv[static_cast<size_t>(t * channels + c)] = conv[static_cast<size_t>(c * taps + t)];
      }
    }
    delta.decay_rates = uniform(prefix + "A_log", heads, -1.0, 1.5);
    for (float& rate : delta.decay_rates) rate = -std::exp(rate);
    delta.dt_bias = uniform(prefix + "dt_bias", heads, -2.0, 0.5);
    delta.norm = uniform(prefix + "norm.weight", config_.delta_value_dim, 0.9, 1.1);
  }

  ExpertWeights expert(const std::string& prefix, int64_t width) {
    const int64_t hidden = config_.hidden_size;
    return {.gate = linear(prefix + "gate_proj", width, hidden),
            .up = linear(prefix + "up_proj", width, hidden),
            .down = linear(prefix + "down_proj", hidden, width)};
  }

  void moe(const std::string& prefix, MoeWeights& moe) {
    moe.router = linear(prefix + "gate", config_.expert_count, config_.hidden_size);
    moe.shared_gate = linear(prefix + "shared_expert_gate", 1, config_.hidden_size);
    moe.shared = expert(prefix + "shared_expert.", config_.shared_expert_dim);
    for (int64_t e = 0; e < config_.expert_count; ++e) {
      moe.experts.push_back(expert(fmt::format("{}experts.{}.", prefix, e), config_.expert_dim));
    }
  }

  ToyModel& toy_;
  const ModelConfig& config_;
};

}  // namespace

std::vector<double> stream(const std::string& name, size_t count) {
  uint64_t state = 0xcbf29ce484222325u;
  for (const char c : name) state = (state ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) {
    state += 0x9E3779B97F4A7C15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    values.push_back(static_cast<double>(z >> 11) * 0x1p-53);
  }
  return values;
}

ToyModel make_toy_model() {
  ToyModel toy;
  ModelConfig& c = toy.config;
  c.model_type = "qwen3_next";
  c.vocab_size = 50;
  c.hidden_size = 32;
  c.max_positions = 4096;
  c.rms_norm_eps = 1e-6;
  c.layers = {MixerKind::kGatedDelta, MixerKind::kGatedDelta, MixerKind::kGatedDelta,
              MixerKind::kGatedAttention};
  c.query_heads = 4;
  c.kv_heads = 2;
  c.head_dim = 16;
  c.rotary_dim = 4;
  c.rope_theta = 1e4;
  c.delta_key_heads = 2;
  c.delta_value_heads = 4;
  c.delta_key_dim = 8;
  c.delta_value_dim = 8;
  c.conv_kernel = 4;
  c.expert_count = 8;
  c.experts_per_token = 3;
  c.expert_dim = 16;
  c.shared_expert_dim = 16;
  Builder(toy).build();
  return toy;
}

std::vector<int32_t> toy_tokens() {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 70; ++i) tokens.push_back((7 * i * i + 3 * i + 1) % 50);
  return tokens;
}

}  // namespace hearth::toy
