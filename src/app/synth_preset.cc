#include "app/synth_preset.h"

#include <utility>

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

/// Every fourth layer is attention, as in all models of the family.
std::vector<MixerKind> layer_pattern(int64_t count) {
  std::vector<MixerKind> layers;
  for (int64_t i = 0; i < count; ++i) {
    layers.push_back((i + 1) % 4 == 0 ? MixerKind::kGatedAttention : MixerKind::kGatedDelta);
  }
  return layers;
}

ModelConfig qwen3_next_80b() {
  ModelConfig config;
  config.model_type = "qwen3_next";
  config.vocab_size = 151936;
  config.hidden_size = 2048;
  config.max_positions = 262144;
  config.rms_norm_eps = 1e-6;
  config.layers = layer_pattern(48);
  config.query_heads = 16;
  config.kv_heads = 2;
  config.head_dim = 256;
  config.rotary_dim = 64;
  config.rope_theta = 1e7;
  config.delta_key_heads = 16;
  config.delta_value_heads = 32;
  config.delta_key_dim = 128;
  config.delta_value_dim = 128;
  config.conv_kernel = 4;
  config.expert_count = 512;
  config.experts_per_token = 10;
  config.expert_dim = 512;
  config.shared_expert_dim = 512;
  config.eos_tokens = {151645, 151643};
  return config;
}

/// Small enough for a test of a second, with every kind of module.
ModelConfig tiny() {
  ModelConfig config = qwen3_next_80b();
  config.vocab_size = 1024;
  config.hidden_size = 128;
  config.max_positions = 4096;
  config.layers = layer_pattern(4);
  config.query_heads = 4;
  config.head_dim = 32;
  config.rotary_dim = 8;
  config.delta_key_heads = 2;
  config.delta_value_heads = 4;
  config.delta_key_dim = 32;
  config.delta_value_dim = 32;
  config.expert_count = 16;
  config.experts_per_token = 4;
  config.expert_dim = 64;
  config.shared_expert_dim = 64;
  config.eos_tokens = {733, 731};  // where the stub tokenizer puts them, see synth_tokenizer.h
  return config;
}

/// AutoRound lists what differs from the global 4 bits.
Json extra_config(const SynthModel& model) {
  Json extra = Json::object();
  for (const ModuleSpec& spec : qwen3_next_modules(model.config, has_mtp(model.recipe))) {
    if (!spec.linear || spec.component == Component::kHead) continue;
    const int bits = stored_bits(model, spec);
    if (bits == 8) extra[spec.name] = {{"bits", 8}};
    if (bits == 16) extra[spec.name] = {{"bits", 16}, {"data_type", "fp"}};
  }
  return extra;
}

Json quantization_json(const SynthModel& model) {
  if (model.recipe == Recipe::kGptqInt4) {
    Json dynamic = Json::object();
    for (const std::string_view pattern : kQwen3NextGatePatterns) {
      dynamic["-:" + std::string(pattern)] = Json::object();
    }
    return {{"quant_method", "gptq"},
            {"bits", 4},
            {"group_size", model.group_size},
            {"sym", true},
            {"desc_act", false},
            {"checkpoint_format", "gptq"},
            {"dynamic", std::move(dynamic)}};
  }
  return {{"bits", 4},
          {"data_type", "int"},
          {"group_size", model.group_size},
          {"sym", true},
          {"iters", 0},
          {"autoround_version", model.recipe == Recipe::kInt4MixedOld ? "0.7.0" : "0.12.0"},
          {"block_name_to_quantize", kQwen3NextLayers},
          {"quant_method", "auto-round"},
          {"packing_format", "auto_round:auto_gptq"},
          {"extra_config", extra_config(model)}};
}

}  // namespace

std::optional<Recipe> parse_recipe(std::string_view name) {
  if (name == "int4-mixed") return Recipe::kInt4Mixed;
  if (name == "int4-mixed-old") return Recipe::kInt4MixedOld;
  if (name == "int4") return Recipe::kInt4;
  if (name == "gptq-int4") return Recipe::kGptqInt4;
  if (name == "bf16") return Recipe::kBf16;
  return std::nullopt;
}

std::optional<SynthModel> find_preset(std::string_view name) {
  if (name == "qwen3-next-80b") return SynthModel{.config = qwen3_next_80b()};
  if (name == "tiny") return SynthModel{.config = tiny(), .group_size = 32};
  return std::nullopt;
}

bool has_mtp(Recipe recipe) { return recipe == Recipe::kInt4Mixed || recipe == Recipe::kBf16; }

int stored_bits(const SynthModel& model, const ModuleSpec& spec) {
  if (model.recipe == Recipe::kBf16 || spec.component == Component::kHead) return 16;
  // A single output cannot be packed: quantizers leave it alone.
  if (spec.rows() == 1) return 16;

  if (model.recipe == Recipe::kInt4) return 4;
  if (spec.component == Component::kRouters) {
    return model.recipe == Recipe::kInt4MixedOld ? 8 : 16;
  }
  if (model.recipe == Recipe::kGptqInt4 || spec.mtp ||
      spec.component == Component::kRoutedExperts) {
    return 4;
  }
  const bool shared = spec.component == Component::kSharedExperts;
  return shared && model.recipe == Recipe::kInt4MixedOld ? 4 : 8;
}

Json config_json(const SynthModel& model) {
  const ModelConfig& config = model.config;
  Json json = {
      {"architectures", {"Qwen3NextForCausalLM"}},
      {"attention_bias", false},
      {"attention_dropout", 0.0},
      {"bos_token_id", config.eos_tokens.back()},
      {"decoder_sparse_step", 1},
      {"eos_token_id", config.eos_tokens.front()},
      {"full_attention_interval", 4},
      {"head_dim", config.head_dim},
      {"hidden_act", "silu"},
      {"hidden_size", config.hidden_size},
      {"initializer_range", 0.02},
      {"intermediate_size", 5 * config.hidden_size / 2},
      {"linear_conv_kernel_dim", config.conv_kernel},
      {"linear_key_head_dim", config.delta_key_dim},
      {"linear_num_key_heads", config.delta_key_heads},
      {"linear_num_value_heads", config.delta_value_heads},
      {"linear_value_head_dim", config.delta_value_dim},
      {"max_position_embeddings", config.max_positions},
      {"mlp_only_layers", Json::array()},
      {"model_type", config.model_type},
      {"moe_intermediate_size", config.expert_dim},
      {"norm_topk_prob", config.normalise_top_k},
      {"num_attention_heads", config.query_heads},
      {"num_experts", config.expert_count},
      {"num_experts_per_tok", config.experts_per_token},
      {"num_hidden_layers", config.layer_count()},
      {"num_key_value_heads", config.kv_heads},
      {"output_router_logits", false},
      {"partial_rotary_factor",
       static_cast<double>(config.rotary_dim) / static_cast<double>(config.head_dim)},
      {"rms_norm_eps", config.rms_norm_eps},
      {"rope_scaling", nullptr},
      {"rope_theta", static_cast<int64_t>(config.rope_theta)},
      {"router_aux_loss_coef", 0.001},
      {"shared_expert_intermediate_size", config.shared_expert_dim},
      {"tie_word_embeddings", config.tied_embeddings},
      {"torch_dtype", "bfloat16"},
      {"transformers_version", "4.57.0"},
      {"use_cache", true},
      {"use_sliding_window", false},
      {"vocab_size", config.vocab_size},
  };
  if (model.recipe != Recipe::kBf16) json["quantization_config"] = quantization_json(model);
  return json;
}

Json generation_config_json(const SynthModel& model) {
  return {{"bos_token_id", model.config.eos_tokens.back()},
          {"do_sample", true},
          {"eos_token_id", model.config.eos_tokens},
          {"pad_token_id", model.config.eos_tokens.back()},
          {"temperature", 0.7},
          {"top_k", 20},
          {"top_p", 0.8}};
}

}  // namespace hearth
