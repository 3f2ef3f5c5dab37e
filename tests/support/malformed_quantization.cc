// quantization_config: methods, packings and settings that hearth does not read.
#include "tests/support/malformed.h"

namespace hearth::testing {
namespace {

using nlohmann::json;

/// quantization_config with these fields set; null removes a field.
MalformedCase quantization_case(std::string name, const json& fields,
                                std::vector<std::string> fragments) {
  fragments.push_back("config.json: quantization_config");
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .change = [fields](ModelSource& model) {
            model.config["quantization_config"].merge_patch(fields);
          }};
}

MalformedCase method_case(const std::string& method) {
  std::string name = "method_" + method;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return quantization_case(name, {{"quant_method", method}},
                           {"quant_method", "\"" + method + "\"", "hearth reads AutoRound"});
}

MalformedCase packing_case(std::string name, const std::string& packing) {
  return quantization_case(std::move(name), {{"packing_format", packing}},
                           {"packing_format", "\"auto_round:auto_gptq\"", "\"" + packing + "\"",
                            "hearth reads AutoRound"});
}

}  // namespace

std::vector<MalformedCase> malformed_quantization() {
  std::vector<MalformedCase> all;
  for (const char* method : {"awq", "compressed-tensors", "fp8", "bitsandbytes", "hqq", "mxfp4"}) {
    all.push_back(method_case(method));
  }
  all.push_back(packing_case("packing_auto_awq", "auto_round:auto_awq"));
  all.push_back(packing_case("packing_native", "auto_round"));
  all.push_back(packing_case("packing_llm_compressor", "auto_round:llm_compressor"));

  const json gptq = {{"quant_method", "gptq"}, {"packing_format", nullptr}};
  const auto gptq_with = [&](const char* field, const json& value) {
    json fields = gptq;
    fields[field] = value;
    return fields;
  };
  json both = gptq_with("format", "gptq");
  both["checkpoint_format"] = "gptq_v2";

  for (MalformedCase& item : std::vector<MalformedCase>{
           quantization_case("method_missing", {{"quant_method", nullptr}},
                             {"quant_method", "a string", "nothing"}),
           quantization_case("method_number", {{"quant_method", 4}}, {"quant_method", "found 4"}),
           quantization_case("backend_of_old_releases",
                             {{"packing_format", nullptr}, {"backend", "auto_round:exllamav2"}},
                             {"backend", "auto_round:exllamav2"}),
           quantization_case("bits_two", {{"bits", 2}}, {"bits", "4 or 8", "found 2"}),
           quantization_case("bits_three", {{"bits", 3}}, {"bits", "4 or 8", "found 3"}),
           quantization_case("bits_missing", {{"bits", nullptr}}, {"bits", "nothing"}),
           quantization_case("bits_string", {{"bits", "4"}}, {"bits", "an integer", "\"4\""}),
           quantization_case("data_type_float", {{"data_type", "mx_fp"}},
                             {"data_type", "\"int\"", "mx_fp"}),
           quantization_case("activations_of_8_bits", {{"act_bits", 8}}, {"act_bits", "16"}),
           quantization_case("gptq_for_marlin", gptq_with("checkpoint_format", "marlin"),
                             {"checkpoint_format", "\"gptq\"", "\"marlin\""}),
           quantization_case("gptq_marlin_flag", gptq_with("is_marlin_format", true),
                             {"is_marlin_format", "false"}),
           quantization_case("gptq_in_64_bit_words", gptq_with("pack_dtype", "int64"),
                             {"pack_dtype", "\"int32\"", "\"int64\""}),
           quantization_case("gptq_of_two_versions", both, {"checkpoint_format", "as in format"}),
           quantization_case("gptq_bits_five", gptq_with("bits", 5), {"bits", "found 5"}),
       }) {
    all.push_back(std::move(item));
  }
  all.push_back(
      {.name = "quantization_config_string",
       .fragments = {"config.json: quantization_config", "an object", "\"gptq\""},
       .change = [](ModelSource& model) { model.config["quantization_config"] = "gptq"; }});
  all.push_back({.name = "quantization_config_missing",
                 .fragments = {"config.json: quantization_config", "is quantized", "nothing"},
                 .change = [](ModelSource& model) { model.config.erase("quantization_config"); }});
  return all;
}

}  // namespace hearth::testing
