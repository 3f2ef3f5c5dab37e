#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "checkpoint/model_config.h"
#include "tests/support/model_source.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using nlohmann::json;
using testing::ModelSource;
using testing::TempFolder;
using testing::tiny_model;
using testing::write_file;

/// The config that a folder with these files gives.
ModelConfig load(const json& config, const json& generation = nullptr) {
  const TempFolder folder;
  write_file(folder.path() / "config.json", config.dump());
  if (!generation.is_null()) {
    write_file(folder.path() / "generation_config.json", generation.dump());
  }
  return load_model_config(folder.path());
}

QuantizationConfig load_quantization(const json& quantization) {
  const TempFolder folder;
  json config = tiny_model().config;
  config["quantization_config"] = quantization;
  write_file(folder.path() / "config.json", config.dump());
  return load_quantization_config(folder.path());
}

TEST(ModelConfig, ReadsTheFields) {
  const ModelSource model = tiny_model();
  const ModelConfig config = load(model.config, model.generation_config);
  EXPECT_EQ(config.model_type, "qwen3_next");
  EXPECT_EQ(config.hidden_size, 64);
  EXPECT_EQ(config.layer_count(), 2);
  EXPECT_EQ(config.layers[0], MixerKind::kGatedDelta);
  EXPECT_EQ(config.layers[1], MixerKind::kGatedAttention);
  EXPECT_EQ(config.count(MixerKind::kGatedAttention), 1);
  EXPECT_EQ(config.rotary_dim, 4);
  EXPECT_EQ(config.rope_theta, 1e7);
  EXPECT_FALSE(config.yarn);
  EXPECT_EQ(config.conv_channels(), 128);
  EXPECT_FALSE(config.tied_embeddings);
  EXPECT_EQ(config.eos_tokens, (std::vector<int64_t>{7, 8}));
}

TEST(ModelConfig, LayerTypesWinOverTheInterval) {
  json config = tiny_model().config;
  config["layer_types"] = {"full_attention", "linear_attention"};
  EXPECT_EQ(load(config).layers[0], MixerKind::kGatedAttention);
  EXPECT_EQ(load(config).layers[1], MixerKind::kGatedDelta);
}

TEST(ModelConfig, EveryFourthLayerIsAttentionWhenNothingIsSaid) {
  json config = tiny_model().config;
  config.erase("full_attention_interval");
  config["num_hidden_layers"] = 8;
  const ModelConfig loaded = load(config);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(loaded.layers[i] == MixerKind::kGatedAttention, i % 4 == 3) << i;
  }
}

TEST(ModelConfig, ReadsRopeParametersOfTransformers5) {
  json config = tiny_model().config;
  config.erase("rope_theta");
  config.erase("rope_scaling");
  config.erase("partial_rotary_factor");
  config["rope_parameters"] = {
      {"rope_type", "default"}, {"rope_theta", 5e6}, {"partial_rotary_factor", 0.5}};
  EXPECT_EQ(load(config).rope_theta, 5e6);
  EXPECT_EQ(load(config).rotary_dim, 8);
}

TEST(ModelConfig, ReadsYarnInBothSpellings) {
  json config = tiny_model().config;
  config["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 1024}};
  ASSERT_TRUE(load(config).yarn);
  EXPECT_EQ(load(config).yarn->factor, 4.0);
  EXPECT_EQ(load(config).yarn->original_max_positions, 1024);

  config.erase("rope_scaling");
  config["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 1e7}, {"factor", 2.0}};
  ASSERT_TRUE(load(config).yarn);
  EXPECT_EQ(load(config).yarn->original_max_positions, 4096);
}

TEST(ModelConfig, PartialRotaryFactorIsAQuarterWhenLeftOut) {
  json config = tiny_model().config;
  config.erase("partial_rotary_factor");
  EXPECT_EQ(load(config).rotary_dim, 4);
}

TEST(ModelConfig, EosTokensMayBeAbsent) {
  json config = tiny_model().config;
  config["eos_token_id"] = nullptr;
  EXPECT_TRUE(load(config).eos_tokens.empty());
}

TEST(GenerationDefaults, ReadsTheFile) {
  const TempFolder folder;
  tiny_model().write(folder.path());
  const GenerationDefaults defaults = load_generation_defaults(folder.path());
  EXPECT_TRUE(defaults.do_sample);
  EXPECT_EQ(defaults.temperature, 0.7);
  EXPECT_EQ(defaults.top_k, 20);
  EXPECT_EQ(defaults.top_p, 0.8);
  EXPECT_EQ(defaults.min_p, 0.0);
}

TEST(GenerationDefaults, ReadsPenaltiesAndRefusesWrongOnes) {
  const TempFolder folder;
  const auto load = [&](const json& file) {
    std::ofstream(folder.path() / "generation_config.json") << file;
    return load_generation_defaults(folder.path());
  };
  const GenerationDefaults defaults = load({{"repetition_penalty", 1.05}, {"typical_p", 0.9}});
  EXPECT_EQ(defaults.repetition_penalty, 1.05);
  EXPECT_EQ(defaults.typical_p, 0.9);
  EXPECT_EQ(load(json::object()).repetition_penalty, 1);
  EXPECT_EQ(load(json::object()).typical_p, 1);
  EXPECT_THROW(load({{"repetition_penalty", 0}}), LoadError);
  EXPECT_THROW(load({{"typical_p", 1.5}}), LoadError);
}

TEST(GenerationDefaults, AreGreedyWithoutTheFile) {
  const TempFolder folder;
  const GenerationDefaults defaults = load_generation_defaults(folder.path());
  EXPECT_FALSE(defaults.do_sample);
  EXPECT_EQ(defaults.temperature, 1.0);
  EXPECT_EQ(defaults.top_k, 0);
  EXPECT_EQ(defaults.top_p, 1.0);
}

TEST(QuantizationConfig, AbsentMeansUnquantized) {
  EXPECT_TRUE(load_quantization(nullptr).method.empty());
}

TEST(QuantizationConfig, ReadsAutoRound) {
  const QuantizationConfig config = load_quantization({{"quant_method", "auto-round"},
                                                       {"packing_format", "auto_round:auto_gptq"},
                                                       {"bits", 4},
                                                       {"data_type", "int"},
                                                       {"act_bits", 16}});
  EXPECT_EQ(config.method, "auto-round");
  EXPECT_EQ(config.checkpoint_format, "auto_round:auto_gptq");
}

TEST(QuantizationConfig, ReadsGptqVersions) {
  EXPECT_EQ(load_quantization({{"quant_method", "gptq"}, {"bits", 8}}).checkpoint_format, "gptq");
  EXPECT_EQ(
      load_quantization({{"quant_method", "gptq"}, {"bits", 4}, {"checkpoint_format", "gptq_v2"}})
          .checkpoint_format,
      "gptq_v2");
}

TEST(QuantizationConfig, FallsBackToItsCopy) {
  const TempFolder folder;
  json config = tiny_model().config;
  const json quantization = config["quantization_config"];
  config.erase("quantization_config");
  write_file(folder.path() / "config.json", config.dump());
  write_file(folder.path() / "quantization_config.json", quantization.dump());
  EXPECT_EQ(load_quantization_config(folder.path()).method, "auto-round");
}

}  // namespace
}  // namespace hearth
