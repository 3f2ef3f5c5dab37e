// config.json, generation_config.json and quantization settings that are wrong or not supported.
#include "tests/support/malformed.h"
#include "tests/support/temp_folder.h"

namespace hearth::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kConfig = "config.json: ";

/// config.json with one field set.
MalformedCase field_case(std::string name, const std::string& field, json value,
                         std::vector<std::string> fragments) {
  fragments.push_back(kConfig + field);
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .change = [field, value = std::move(value)](ModelSource& model) {
            model.config[field] = value;
          }};
}

MalformedCase missing_case(const std::string& field) {
  return {.name = "config_without_" + field,
          .fragments = {kConfig + field, "found nothing", "takes no value for granted"},
          .change = [field](ModelSource& model) { model.config.erase(field); }};
}

MalformedCase text_case(std::string name, const char* file, std::string text,
                        std::vector<std::string> fragments) {
  fragments.push_back(std::string(file) + ": ");
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .damage = [file, text = std::move(text)](const fs::path& folder) {
            write_file(folder / file, text);
          }};
}

MalformedCase rope_case(std::string name, json scaling, std::vector<std::string> fragments) {
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .change = [scaling = std::move(scaling)](ModelSource& model) {
            model.config["rope_scaling"] = scaling;
          }};
}

MalformedCase generation_case(std::string name, const char* field, json value,
                              std::vector<std::string> fragments) {
  fragments.push_back(std::string("generation_config.json: ") + field);
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .change = [field, value = std::move(value)](ModelSource& model) {
            model.generation_config[field] = value;
          }};
}

std::vector<MalformedCase> missing_cases() {
  std::vector<MalformedCase> all;
  for (const char* field : {"model_type",
                            "vocab_size",
                            "hidden_size",
                            "num_hidden_layers",
                            "num_attention_heads",
                            "num_key_value_heads",
                            "head_dim",
                            "rope_theta",
                            "max_position_embeddings",
                            "linear_num_key_heads",
                            "linear_num_value_heads",
                            "linear_key_head_dim",
                            "linear_value_head_dim",
                            "linear_conv_kernel_dim",
                            "num_experts",
                            "num_experts_per_tok",
                            "moe_intermediate_size",
                            "shared_expert_intermediate_size",
                            "norm_topk_prob",
                            "rms_norm_eps",
                            "hidden_act"}) {
    all.push_back(missing_case(field));
  }
  return all;
}

std::vector<MalformedCase> config_value_cases() {
  return {
      field_case("model_of_another_type", "model_type", "llama", {"qwen3_next", "\"llama\""}),
      field_case("model_type_number", "model_type", 3, {"a string", "found 3"}),
      field_case("vocab_zero", "vocab_size", 0, {"from 1", "found 0"}),
      field_case("hidden_negative", "hidden_size", -64, {"from 1", "found -64"}),
      field_case("hidden_string", "hidden_size", "64", {"an integer", "\"64\""}),
      field_case("hidden_fractional", "hidden_size", 64.5, {"an integer", "64.5"}),
      field_case("hidden_null", "hidden_size", nullptr, {"an integer", "null"}),
      field_case("hidden_huge", "hidden_size", uint64_t{1} << 63, {"9223372036854775808"}),
      field_case("layers_too_many", "num_hidden_layers", 1'000'000, {"to 4096", "1000000"}),
      field_case("interval_zero", "full_attention_interval", 0, {"from 1", "found 0"}),
      field_case("layer_types_too_short", "layer_types", {"linear_attention"},
                 {"num_hidden_layers (2)", "1 entries"}),
      field_case("layer_types_unknown", "layer_types", {"linear_attention", "sliding_attention"},
                 {"layer_types[1]", "\"sliding_attention\"", "not support"}),
      field_case("layer_types_string", "layer_types", "linear_attention", {"a list"}),
      field_case("heads_not_divisible", "num_attention_heads", 5,
                 {"a multiple of num_key_value_heads (2)", "found 5"}),
      field_case("value_heads_not_divisible", "linear_num_value_heads", 3,
                 {"a multiple of linear_num_key_heads (2)", "found 3"}),
      field_case("attention_with_bias", "attention_bias", true, {"false", "true", "not support"}),
      field_case("rotary_odd", "partial_rotary_factor", 0.1875, {"an even part of head_dim (16)"}),
      field_case("rotary_nothing", "partial_rotary_factor", 0.0, {"an even part"}),
      field_case("rotary_fractional", "partial_rotary_factor", 0.3, {"an even part"}),
      field_case("rotary_too_large", "partial_rotary_factor", 1.5, {"from 0 to 1", "1.5"}),
      field_case("theta_string", "rope_theta", "1e7", {"a number", "\"1e7\""}),
      field_case("theta_negative", "rope_theta", -1e7, {"a number"}),
      field_case("eps_zero", "rms_norm_eps", 0, {"a number"}),
      field_case("eps_large", "rms_norm_eps", 1.0, {"to 0.1"}),
      field_case("top_k_above_experts", "num_experts_per_tok", 5, {"from 1 to 4", "found 5"}),
      field_case("top_k_norm_string", "norm_topk_prob", "yes", {"true or false", "\"yes\""}),
      field_case("shared_expert_none", "shared_expert_intermediate_size", 0, {"from 1"}),
      field_case("kernel_too_wide", "linear_conv_kernel_dim", 65, {"from 1 to 64"}),
      field_case("activation_gelu", "hidden_act", "gelu", {"\"silu\"", "\"gelu\""}),
      field_case("sparse_every_other_layer", "decoder_sparse_step", 2, {"1", "found 2"}),
      field_case("dense_layers", "mlp_only_layers", {0}, {"[]", "a list", "not support"}),
      field_case("tied_number", "tie_word_embeddings", 1, {"true or false"}),
      field_case("eos_outside_the_vocabulary", "eos_token_id", 96, {"from 0 to 95", "96"}),
      field_case("eos_string", "eos_token_id", "<|im_end|>", {"an integer", "im_end"}),
      field_case("eos_negative_in_list", "eos_token_id", {7, -1}, {"from 0", "-1"}),
      rope_case("rope_linear", {{"rope_type", "linear"}, {"factor", 2}},
                {"rope_scaling.rope_type", "\"yarn\"", "\"linear\""}),
      rope_case("rope_dynamic_old_spelling", {{"type", "dynamic"}, {"factor", 2}},
                {"rope_scaling.type", "\"dynamic\""}),
      rope_case("rope_without_type", {{"factor", 2}}, {"rope_scaling.rope_type", "nothing"}),
      rope_case("yarn_without_factor", {{"rope_type", "yarn"}}, {"rope_scaling.factor"}),
      rope_case("yarn_factor_below_one", {{"rope_type", "yarn"}, {"factor", 0.5}},
                {"rope_scaling.factor", "0.5"}),
      rope_case("yarn_beta", {{"rope_type", "yarn"}, {"factor", 2}, {"beta_fast", 16}},
                {"rope_scaling.beta_fast", "32", "16", "not support"}),
      rope_case("yarn_attention_factor",
                {{"rope_type", "yarn"}, {"factor", 2}, {"attention_factor", 1.5}},
                {"rope_scaling.attention_factor", "not support"}),
      rope_case("rope_theta_differs", {{"rope_type", "default"}, {"rope_theta", 5e6}},
                {"rope_theta", "5000000", "10000000"}),
      rope_case("rope_scaling_number", 4, {"rope_scaling", "an object", "found 4"}),
  };
}

std::vector<MalformedCase> config_file_cases() {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += R"({"a":)";
  return {
      text_case("config_empty", "config.json", "", {"valid JSON", "an empty file"}),
      text_case("config_cut", "config.json", R"({"model_type": "qwen3)", {"valid JSON"}),
      text_case("config_ends_with_a_zero_byte", "config.json", std::string("{}\0{", 4),
                {"byte 2", "a zero byte"}),
      text_case("config_is_a_list", "config.json", "[]", {"a JSON object", "an empty list"}),
      text_case("config_is_null", "config.json", "null", {"a JSON object", "null"}),
      text_case("config_field_twice", "config.json", R"({"hidden_size": 64, "hidden_size": 128})",
                {"\"hidden_size\"", "twice"}),
      text_case("config_not_utf8", "config.json", "{\"model_type\": \"\xFF\"}", {"valid JSON"}),
      text_case("config_nested_without_end", "config.json", deep, {"at most 64 levels"}),
      text_case("config_of_a_gigantic_size", "config.json", "{}" + std::string(16'000'000, ' '),
                {"at most 16000000 bytes"}),
      text_case("generation_config_cut", "generation_config.json", "{", {"valid JSON"}),
      text_case("generation_config_is_a_list", "generation_config.json", "[1]", {"a JSON object"}),
      generation_case("generation_eos_outside", "eos_token_id", {7, 200}, {"from 0 to 95", "200"}),
      generation_case("temperature_negative", "temperature", -1, {"from 0", "-1"}),
      generation_case("temperature_string", "temperature", "hot", {"a number", "\"hot\""}),
      generation_case("top_p_zero", "top_p", 0, {"a number"}),
      generation_case("top_p_above_one", "top_p", 1.1, {"to 1", "1.1"}),
      generation_case("top_k_fractional", "top_k", 2.5, {"an integer", "2.5"}),
      generation_case("min_p_negative", "min_p", -0.1, {"from 0 to 1", "-0.1"}),
      generation_case("do_sample_number", "do_sample", 1, {"true or false"}),
  };
}

}  // namespace

std::vector<MalformedCase> malformed_configs() {
  std::vector<MalformedCase> all;
  for (auto list : {missing_cases, config_value_cases, config_file_cases}) {
    for (MalformedCase& item : list()) all.push_back(std::move(item));
  }
  return all;
}

}  // namespace hearth::testing
