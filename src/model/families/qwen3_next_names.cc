#include "model/families/qwen3_next_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace hearth {
namespace {

/// Collects specs under a prefix of names.
class Lister {
 public:
  explicit Lister(const ModelConfig& config) : config_(config) {}

  std::vector<ModuleSpec> take() { return std::move(specs_); }

  void globals() {
    enter("", -1, false);
    plain("model.embed_tokens.weight", Component::kEmbedding, TensorRole::kEmbedding,
          {config_.vocab_size, config_.hidden_size});
    norm("model.norm.weight", config_.hidden_size);
    if (!config_.tied_embeddings) {
      linear("lm_head", Component::kHead, config_.vocab_size, config_.hidden_size);
    }
  }

  void layer(int64_t index) {
    enter(fmt::format("model.layers.{}.", index), index, false);
    if (config_.layers[static_cast<size_t>(index)] == MixerKind::kGatedAttention) {
      attention();
    } else {
      delta_net();
    }
    layer_norms();
    experts();
  }

  void mtp() {
    enter("mtp.", -1, true);
    linear("fc", Component::kMtpProjection, config_.hidden_size, 2 * config_.hidden_size);
    for (const char* name : {"norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden"}) {
      norm(fmt::format("{}.weight", name), config_.hidden_size);
    }
    enter("mtp.layers.0.", -1, true);
    attention();
    layer_norms();
    experts();
  }

 private:
  void enter(std::string prefix, int64_t layer, bool mtp) {
    prefix_ = std::move(prefix);
    layer_ = layer;
    mtp_ = mtp;
  }

  void add(std::string_view name, Component component, TensorRole role, bool is_linear,
           std::initializer_list<int64_t> dims) {
    ModuleSpec spec{.name = prefix_ + std::string(name),
                    .component = component,
                    .role = role,
                    .linear = is_linear,
                    .mtp = mtp_,
                    .layer = layer_,
                    .rank = static_cast<int>(dims.size())};
    std::copy(dims.begin(), dims.end(), spec.dims.begin());
    specs_.push_back(std::move(spec));
  }

  void linear(std::string_view name, Component component, int64_t rows, int64_t cols,
              TensorRole role = TensorRole::kLinear) {
    add(name, component, role, true, {rows, cols});
  }

  void plain(std::string_view name, Component component, TensorRole role,
             std::initializer_list<int64_t> dims) {
    add(name, component, role, false, dims);
  }

  void norm(std::string_view name, int64_t width, TensorRole role = TensorRole::kCentredNorm) {
    plain(name, Component::kNorms, role, {width});
  }

  void layer_norms() {
    norm("input_layernorm.weight", config_.hidden_size);
    norm("post_attention_layernorm.weight", config_.hidden_size);
  }

  void attention() {
    const int64_t query = config_.query_heads * config_.head_dim;
    const int64_t key = config_.kv_heads * config_.head_dim;
    // Twice the queries: q_proj holds the output gates as well.
    linear("self_attn.q_proj", Component::kAttention, 2 * query, config_.hidden_size);
    linear("self_attn.k_proj", Component::kAttention, key, config_.hidden_size);
    linear("self_attn.v_proj", Component::kAttention, key, config_.hidden_size);
    linear("self_attn.o_proj", Component::kAttention, config_.hidden_size, query,
           TensorRole::kResidualLinear);
    norm("self_attn.q_norm.weight", config_.head_dim);
    norm("self_attn.k_norm.weight", config_.head_dim);
  }

  void delta_net() {
    const int64_t keys = config_.delta_keys();
    const int64_t values = config_.delta_values();
    linear("linear_attn.in_proj_qkvz", Component::kDeltaNet, 2 * keys + 2 * values,
           config_.hidden_size);
    linear("linear_attn.in_proj_ba", Component::kDeltaNet, 2 * config_.delta_value_heads,
           config_.hidden_size);
    linear("linear_attn.out_proj", Component::kDeltaNet, config_.hidden_size, values,
           TensorRole::kResidualLinear);
    plain("linear_attn.conv1d.weight", Component::kDeltaNet, TensorRole::kConvolution,
          {config_.conv_channels(), 1, config_.conv_kernel});
    plain("linear_attn.A_log", Component::kDeltaNet, TensorRole::kDecay,
          {config_.delta_value_heads});
    plain("linear_attn.dt_bias", Component::kDeltaNet, TensorRole::kStep,
          {config_.delta_value_heads});
    norm("linear_attn.norm.weight", config_.delta_value_dim, TensorRole::kGatedNorm);
  }

  void swiglu(const std::string& name, Component component, int64_t width) {
    linear(name + ".gate_proj", component, width, config_.hidden_size);
    linear(name + ".up_proj", component, width, config_.hidden_size);
    linear(name + ".down_proj", component, config_.hidden_size, width, TensorRole::kResidualLinear);
  }

  void experts() {
    linear("mlp.gate", Component::kRouters, config_.expert_count, config_.hidden_size);
    linear("mlp.shared_expert_gate", Component::kRouters, 1, config_.hidden_size);
    swiglu("mlp.shared_expert", Component::kSharedExperts, config_.shared_expert_dim);
    for (int64_t expert = 0; expert < config_.expert_count; ++expert) {
      swiglu(fmt::format("mlp.experts.{}", expert), Component::kRoutedExperts, config_.expert_dim);
    }
  }

  const ModelConfig& config_;
  std::vector<ModuleSpec> specs_;
  std::string prefix_;
  int64_t layer_ = -1;
  bool mtp_ = false;
};

}  // namespace

std::string_view component_name(Component component) {
  switch (component) {
    case Component::kRoutedExperts: return "routed experts";
    case Component::kSharedExperts: return "shared experts";
    case Component::kRouters: return "routers and gates";
    case Component::kDeltaNet: return "DeltaNet";
    case Component::kAttention: return "attention";
    case Component::kNorms: return "norms";
    case Component::kEmbedding: return "embedding";
    case Component::kHead: return "lm_head";
    case Component::kMtpProjection: return "projection";
  }
  return "";
}

std::vector<ModuleSpec> qwen3_next_modules(const ModelConfig& config, bool mtp) {
  Lister lister(config);
  lister.globals();
  for (int64_t i = 0; i < config.layer_count(); ++i) lister.layer(i);
  if (mtp) lister.mtp();
  return lister.take();
}

}  // namespace hearth
