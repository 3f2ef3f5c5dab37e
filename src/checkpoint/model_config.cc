#include "checkpoint/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "checkpoint/json_file.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Bounds that no real model comes near and that keep every product of two of them in 64 bits.
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxCount = 1 << 16;
constexpr int64_t kMaxVocabulary = 1 << 24;
constexpr int64_t kMaxPositions = int64_t{1} << 32;
constexpr int64_t kMaxLayers = 4096;

constexpr const char* kNotSupported = "hearth does not support this variant of the model.";

/// Throws unless `multiple` is a multiple of `of`.
void require_multiple(const JsonFileFields& config, const char* multiple_name, int64_t multiple,
                      const char* of_name, int64_t of) {
  if (multiple % of == 0) return;
  config.fail(multiple_name, fmt::format("a multiple of {} ({})", of_name, of),
              fmt::format("{}", multiple));
}

/// Throws when the field is present and differs from the only value that hearth implements.
void require_if_present(const JsonFileFields& config, const char* name, const json& wanted) {
  if (!config.has(name)) return;
  const json& found = config.tree().at(name);
  if (found != wanted) config.fail(name, wanted.dump(), describe_json(found), kNotSupported);
}

/// RoPE settings stand in rope_parameters since transformers 5, and before that at the top level
/// and in rope_scaling. Whichever object is there.
JsonFileFields rope_object(const JsonFileFields& config) {
  if (config.has("rope_parameters")) return config.object("rope_parameters");
  if (config.has("rope_scaling")) return config.object("rope_scaling");
  return config;
}

/// A number of RoPE that may stand at the top level, in the RoPE object, or (then equal) in both.
double rope_number(const JsonFileFields& config, const char* name, double min, double max) {
  const JsonFileFields rope = rope_object(config);
  if (!rope.has(name)) return config.real(name, min, max);
  const double number = rope.real(name, min, max);
  if (config.has(name) && config.real(name, min, max) != number) {
    config.fail(name, fmt::format("{} as in the other place of the file", number),
                describe_json(config.tree().at(name)), "Remove the one that is not meant.");
  }
  return number;
}

std::optional<YarnScaling> read_yarn(const JsonFileFields& config, const ModelConfig& model) {
  const JsonFileFields rope = rope_object(config);
  if (&rope.tree() == &config.tree()) return std::nullopt;

  const char* type_name = rope.has("type") && !rope.has("rope_type") ? "type" : "rope_type";
  if (!rope.has(type_name) && !rope.has("factor")) return std::nullopt;
  const std::string type = rope.text(type_name);
  if (type == "default") return std::nullopt;
  if (type != "yarn") {
    rope.fail(type_name, "\"default\" or \"yarn\"", describe_json(rope.tree().at(type_name)),
              kNotSupported);
  }
  // Settings that change the result and that YarnScaling cannot express must not be dropped.
  require_if_present(rope, "beta_fast", 32);
  require_if_present(rope, "beta_slow", 1);
  require_if_present(rope, "truncate", true);
  for (const char* name : {"attention_factor", "mscale", "mscale_all_dim"}) {
    if (rope.has(name)) {
      rope.fail(name, "no such field", describe_json(rope.tree().at(name)), kNotSupported);
    }
  }
  YarnScaling yarn;
  yarn.factor = rope.real("factor", 1.0, 1024.0);
  yarn.original_max_positions =
      rope.has("original_max_position_embeddings")
          ? rope.integer("original_max_position_embeddings", 1, kMaxPositions)
          : model.max_positions;
  return yarn;
}

void read_rope(const JsonFileFields& config, ModelConfig& model) {
  model.rope_theta = rope_number(config, "rope_theta", 1.0 + 1e-6, 1e15);
  // The one default: part of the definition of qwen3_next, and left out by some exporters.
  constexpr double kQwen3NextFactor = 0.25;
  const char* name = "partial_rotary_factor";
  const bool present = config.has(name) || rope_object(config).has(name);
  const double factor = present ? rope_number(config, name, 0.0, 1.0) : kQwen3NextFactor;
  const double rotary = factor * static_cast<double>(model.head_dim);
  model.rotary_dim = std::llround(rotary);
  if (model.rotary_dim < 2 || model.rotary_dim % 2 != 0 ||
      std::abs(rotary - static_cast<double>(model.rotary_dim)) > 1e-6) {
    config.fail(name,
                fmt::format("a fraction that gives an even part of head_dim ({})", model.head_dim),
                fmt::format("{}", factor));
  }
  model.yarn = read_yarn(config, model);
}

void read_attention(const JsonFileFields& config, ModelConfig& model) {
  model.query_heads = config.integer("num_attention_heads", 1, kMaxCount);
  model.kv_heads = config.integer("num_key_value_heads", 1, kMaxCount);
  model.head_dim = config.integer("head_dim", 1, kMaxCount);
  require_multiple(config, "num_attention_heads", model.query_heads, "num_key_value_heads",
                   model.kv_heads);
  require_if_present(config, "attention_bias", false);
  read_rope(config, model);
}

void read_delta(const JsonFileFields& config, ModelConfig& model) {
  model.delta_key_heads = config.integer("linear_num_key_heads", 1, kMaxCount);
  model.delta_value_heads = config.integer("linear_num_value_heads", 1, kMaxCount);
  model.delta_key_dim = config.integer("linear_key_head_dim", 1, kMaxCount);
  model.delta_value_dim = config.integer("linear_value_head_dim", 1, kMaxCount);
  model.conv_kernel = config.integer("linear_conv_kernel_dim", 1, 64);
  require_multiple(config, "linear_num_value_heads", model.delta_value_heads,
                   "linear_num_key_heads", model.delta_key_heads);
}

void read_experts(const JsonFileFields& config, ModelConfig& model) {
  model.expert_count = config.integer("num_experts", 1, kMaxCount);
  model.experts_per_token = config.integer("num_experts_per_tok", 1, model.expert_count);
  model.expert_dim = config.integer("moe_intermediate_size", 1, kMaxWidth);
  model.shared_expert_dim = config.integer("shared_expert_intermediate_size", 1, kMaxWidth);
  model.normalise_top_k = config.boolean("norm_topk_prob");
  // Dense layers among the sparse ones are in the family's code but in none of its checkpoints.
  require_if_present(config, "decoder_sparse_step", 1);
  require_if_present(config, "mlp_only_layers", json::array());
  if (const std::string act = config.text("hidden_act"); act != "silu") {
    config.fail("hidden_act", "\"silu\"", describe_json(act), kNotSupported);
  }
}

void read_layers(const JsonFileFields& config, ModelConfig& model) {
  const int64_t count = config.integer("num_hidden_layers", 1, kMaxLayers);
  if (!config.has("layer_types")) {
    // Published before layer_types existed; the field was left out when it had this value.
    constexpr int64_t kQwen3NextInterval = 4;
    const int64_t interval = config.has("full_attention_interval")
                                 ? config.integer("full_attention_interval", 1, kMaxLayers)
                                 : kQwen3NextInterval;
    for (int64_t i = 0; i < count; ++i) {
      model.layers.push_back((i + 1) % interval == 0 ? MixerKind::kGatedAttention
                                                     : MixerKind::kGatedDelta);
    }
    return;
  }
  const json& types = config.tree().at("layer_types");
  if (!types.is_array() || types.size() != static_cast<size_t>(count)) {
    config.fail("layer_types", fmt::format("a list of num_hidden_layers ({}) strings", count),
                types.is_array() ? fmt::format("{} entries", types.size()) : describe_json(types));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] == "linear_attention") {
      model.layers.push_back(MixerKind::kGatedDelta);
    } else if (types[i] == "full_attention") {
      model.layers.push_back(MixerKind::kGatedAttention);
    } else {
      config.fail(fmt::format("layer_types[{}]", i), "\"linear_attention\" or \"full_attention\"",
                  describe_json(types[i]), kNotSupported);
    }
  }
}

void read_eos(const JsonFileFields& fields, ModelConfig& model) {
  for (const int64_t token : fields.integers("eos_token_id", 0, model.vocab_size - 1)) {
    if (std::find(model.eos_tokens.begin(), model.eos_tokens.end(), token) ==
        model.eos_tokens.end()) {
      model.eos_tokens.push_back(token);
    }
  }
}

}  // namespace

int64_t ModelConfig::count(MixerKind kind) const {
  return std::count(layers.begin(), layers.end(), kind);
}

ModelConfig load_model_config(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  const json tree = read_json_file(path);
  const JsonFileFields config(tree, path);

  ModelConfig model;
  model.model_type = config.text("model_type");
  if (model.model_type != "qwen3_next") {
    config.fail("model_type", "\"qwen3_next\"", describe_json(model.model_type),
                "hearth runs the Qwen3-Next family only.");
  }
  model.vocab_size = config.integer("vocab_size", 1, kMaxVocabulary);
  model.hidden_size = config.integer("hidden_size", 1, kMaxWidth);
  model.max_positions = config.integer("max_position_embeddings", 1, kMaxPositions);
  model.rms_norm_eps = config.real("rms_norm_eps", std::numeric_limits<double>::min(), 0.1);
  // Exporters leave the field out when it is false. A tied model read as untied cannot go unseen:
  // its lm_head tensor is missing.
  model.tied_embeddings =
      config.has("tie_word_embeddings") && config.boolean("tie_word_embeddings");
  read_layers(config, model);
  read_attention(config, model);
  read_delta(config, model);
  read_experts(config, model);

  read_eos(config, model);
  const fs::path generation_path = directory / "generation_config.json";
  if (const auto generation = read_optional_json_file(generation_path)) {
    read_eos(JsonFileFields(*generation, generation_path), model);
  }
  return model;
}

GenerationDefaults load_generation_defaults(const fs::path& directory) {
  const fs::path path = directory / "generation_config.json";
  GenerationDefaults defaults;
  const std::optional<json> tree = read_optional_json_file(path);
  if (!tree) return defaults;

  const JsonFileFields fields(*tree, path);
  if (fields.has("do_sample")) defaults.do_sample = fields.boolean("do_sample");
  if (fields.has("temperature")) defaults.temperature = fields.real("temperature", 0.0, 100.0);
  if (fields.has("top_k")) {
    defaults.top_k = std::max<int64_t>(0, fields.integer("top_k", -1, kMaxVocabulary));
  }
  if (fields.has("top_p")) {
    defaults.top_p = fields.real("top_p", std::numeric_limits<double>::min(), 1.0);
  }
  if (fields.has("min_p")) defaults.min_p = fields.real("min_p", 0.0, 1.0);
  if (fields.has("typical_p")) {
    defaults.typical_p = fields.real("typical_p", std::numeric_limits<double>::min(), 1.0);
  }
  if (fields.has("repetition_penalty")) {
    defaults.repetition_penalty =
        fields.real("repetition_penalty", std::numeric_limits<double>::min(), 100.0);
  }
  return defaults;
}

}  // namespace hearth
