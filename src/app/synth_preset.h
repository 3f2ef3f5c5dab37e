// The models that `hearth synth` can write, and their JSON files.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/model_config.h"
#include "model/families/qwen3_next_names.h"

namespace hearth {

/// How a synthetic checkpoint stores its weights; each as a published export does.
enum class Recipe : uint8_t {
  kInt4Mixed,     // AutoRound 2026: W4 experts, W8 projections, 16-bit gates, MTP in its own shard
  kInt4MixedOld,  // AutoRound 2025: W4 experts and shared experts, W8 rest with routers, no MTP
  kInt4,          // AutoRound: W4 throughout, routers too, 16-bit gates of shared experts, no MTP
  kGptqInt4,      // GPTQ v1: W4 with g_idx, 16-bit gates, no MTP
  kBf16,          // the original, MTP among the rest
};

std::optional<Recipe> parse_recipe(std::string_view name);
inline constexpr std::string_view kRecipeNames =
    "int4-mixed, int4-mixed-old, int4, gptq-int4, bf16";

/// A model to write.
struct SynthModel {
  ModelConfig config;
  Recipe recipe = Recipe::kInt4Mixed;
  int64_t group_size = 128;  // inputs that share a scale
};

/// The preset of this name ("qwen3-next-80b", or "tiny" for tests); nothing when there is none.
std::optional<SynthModel> find_preset(std::string_view name);
inline constexpr std::string_view kPresetNames = "qwen3-next-80b, tiny";

/// Whether the recipe keeps the MTP layer.
bool has_mtp(Recipe recipe);

/// Stored bits of a linear module: 4, 8, or 16 for BF16.
int stored_bits(const SynthModel& model, const ModuleSpec& spec);

/// config.json with its quantization_config, as transformers and the quantizer would save it.
nlohmann::ordered_json config_json(const SynthModel& model);

/// generation_config.json.
nlohmann::ordered_json generation_config_json(const SynthModel& model);

}  // namespace hearth
