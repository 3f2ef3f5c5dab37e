// The numbers of config.json that the forward pass needs, validated, with sizes derived from them.
// A missing field is an error, never a class default of some library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hearth {

enum class MixerKind : uint8_t { kGatedDelta, kGatedAttention };

/// Static YaRN scaling of RoPE (spec: config's rope_scaling with rope_type "yarn").
struct YarnScaling {
  double factor = 1.0;
  int64_t original_max_positions = 0;
};

struct ModelConfig {
  std::string model_type;  // e.g. "qwen3_next": the row of model/families to use

  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t max_positions = 0;
  double rms_norm_eps = 0;
  bool tied_embeddings = false;
  std::vector<MixerKind> layers;  // one entry a layer

  // Gated attention.
  int64_t query_heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t rotary_dim = 0;  // the first values of a head that RoPE turns; even
  double rope_theta = 0;
  std::optional<YarnScaling> yarn;

  // Gated DeltaNet.
  int64_t delta_key_heads = 0;
  int64_t delta_value_heads = 0;  // a multiple of delta_key_heads
  int64_t delta_key_dim = 0;
  int64_t delta_value_dim = 0;
  int64_t conv_kernel = 0;

  // Mixture of experts.
  int64_t expert_count = 0;
  int64_t experts_per_token = 0;
  int64_t expert_dim = 0;         // moe_intermediate_size
  int64_t shared_expert_dim = 0;  // shared_expert_intermediate_size
  bool normalise_top_k = true;

  std::vector<int64_t> eos_tokens;  // config.json's and generation_config.json's, without doubles

  int64_t layer_count() const { return static_cast<int64_t>(layers.size()); }
  int64_t delta_keys() const { return delta_key_heads * delta_key_dim; }
  int64_t delta_values() const { return delta_value_heads * delta_value_dim; }
  /// Channels of the DeltaNet convolution: queries, keys, values.
  int64_t conv_channels() const { return 2 * delta_keys() + delta_values(); }
  int64_t count(MixerKind kind) const;
};

/// Reads DIR/config.json (and eos ids of DIR/generation_config.json). Throws LoadError naming the
/// file and the field.
ModelConfig load_model_config(const std::filesystem::path& directory);

/// The sampling settings that the model's authors recommend.
struct GenerationDefaults {
  double temperature = 1.0;
  int64_t top_k = 0;                // 0: off
  double top_p = 1.0;               // 1: off
  double min_p = 0.0;               // 0: off
  double typical_p = 1.0;           // 1: off
  double repetition_penalty = 1.0;  // 1: off
  bool do_sample = false;
};

/// Reads DIR/generation_config.json. A setting that is absent, or the whole file, leaves the
/// neutral value above: greedy, nothing cut off. Throws LoadError on values out of range.
GenerationDefaults load_generation_defaults(const std::filesystem::path& directory);

/// What the checkpoint's quantization_config says that tensors alone cannot: how zero points are
/// stored. Everything else is read off the tensors.
struct QuantizationConfig {
  std::string method;             // quant_method, e.g. "auto-round", "gptq"; empty when absent
  std::string checkpoint_format;  // GPTQ: "gptq" (v1) or "gptq_v2"; AutoRound: packing_format
};

/// Reads quantization_config of DIR/config.json, or else DIR/quantization_config.json; both absent:
/// an empty result. Throws LoadError on a method or a packing that hearth does not read.
QuantizationConfig load_quantization_config(const std::filesystem::path& directory);

}  // namespace hearth
