#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "base/error.h"
#include "checkpoint/json_file.h"
#include "checkpoint/model_config.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSupported =
    "hearth reads AutoRound (packing auto_round:auto_gptq), GPTQ (v1 and v2) with 4 or 8 bits, and "
    "unquantized models.";

/// Global bits. Modules may override them; that is read off their tensors.
void check_bits(const JsonFileFields& config) {
  const int64_t bits = config.integer("bits", 1, 64);
  if (bits != 4 && bits != 8) {
    config.fail("bits", "4 or 8", fmt::format("{}", bits), kSupported);
  }
}

/// Throws when an optional field is present and is not one of the texts.
void require_text(const JsonFileFields& config, const char* name,
                  std::initializer_list<std::string_view> allowed) {
  if (!config.has(name)) return;
  const std::string found = config.text(name);
  for (const std::string_view text : allowed) {
    if (found == text) return;
  }
  config.fail(name, fmt::format("\"{}\"", *allowed.begin()), describe_json(found), kSupported);
}

QuantizationConfig read_auto_round(const JsonFileFields& config) {
  // Releases before 0.5 call the field "backend". Left out by some, then it is the packing that
  // AutoRound's own readers assume.
  const char* name =
      config.has("packing_format") || !config.has("backend") ? "packing_format" : "backend";
  const std::string packing = config.has(name) ? config.text(name) : "auto_round:auto_gptq";
  const bool is_gptq = packing == "auto_round:auto_gptq" || packing == "auto_gptq" ||
                       packing == "auto_round:gptq" || packing.starts_with("auto_round:gptq:");
  if (!is_gptq) config.fail(name, "\"auto_round:auto_gptq\"", describe_json(packing), kSupported);

  check_bits(config);
  require_text(config, "data_type", {"int"});
  if (config.has("act_bits") && config.integer("act_bits", 1, 64) < 16) {
    config.fail("act_bits", "16", describe_json(config.tree().at("act_bits")), kSupported);
  }
  return {.method = "auto-round", .checkpoint_format = packing};
}

QuantizationConfig read_gptq(const JsonFileFields& config) {
  check_bits(config);
  require_text(config, "checkpoint_format", {"gptq", "gptq_v2"});
  require_text(config, "format", {"gptq", "gptq_v2"});
  require_text(config, "pack_dtype", {"int32"});
  if (config.has("is_marlin_format") && config.boolean("is_marlin_format")) {
    config.fail("is_marlin_format", "false", "true", kSupported);
  }
  // GPTQModel renames checkpoint_format to format; AutoGPTQ before 0.7 wrote neither and v1.
  QuantizationConfig result{.method = "gptq", .checkpoint_format = "gptq"};
  if (config.has("format")) result.checkpoint_format = config.text("format");
  if (config.has("checkpoint_format")) {
    const std::string other = config.text("checkpoint_format");
    if (config.has("format") && other != result.checkpoint_format) {
      config.fail("checkpoint_format", fmt::format("\"{}\" as in format", result.checkpoint_format),
                  describe_json(other), "Remove the one that is not meant.");
    }
    result.checkpoint_format = other;
  }
  return result;
}

QuantizationConfig read(const JsonFileFields& config) {
  const std::string method = config.text("quant_method");
  if (method == "auto-round" || method == "intel/auto-round") return read_auto_round(config);
  if (method == "gptq") return read_gptq(config);
  config.fail("quant_method", "\"auto-round\" or \"gptq\"", describe_json(method), kSupported);
}

}  // namespace

QuantizationConfig load_quantization_config(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  const json tree = read_json_file(path);
  const JsonFileFields config(tree, path);
  for (const char* name : {"quantization_config", "compression_config"}) {
    if (config.has(name)) return read(config.object(name));
  }
  const fs::path copy_path = directory / "quantization_config.json";
  if (const std::optional<json> copy = read_optional_json_file(copy_path)) {
    return read(JsonFileFields(*copy, copy_path));
  }
  return {};
}

}  // namespace hearth
