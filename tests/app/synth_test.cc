#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "app/synth_fill.h"
#include "app/synth_plan.h"
#include "app/synth_preset.h"
#include "app/synth_tokenizer.h"
#include "app/synth_writer.h"
#include "base/error.h"
#include "base/half.h"
#include "checkpoint/checkpoint.h"
#include "formats/format.h"
#include "tests/support/dequantise.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::TempFolder;

SynthModel preset(std::string_view name, Recipe recipe) {
  SynthModel model = find_preset(name).value();
  model.recipe = recipe;
  return model;
}

void write(const SynthModel& model, uint64_t seed, const std::filesystem::path& folder) {
  write_checkpoint(model, plan_checkpoint(model), seed, folder, [](uint64_t) {});
}

/// The published audit of Intel's refreshed int4-mixed Instruct repository (docs/FORMATS.md).
TEST(SynthPlan, Int4MixedIsTheAuditedCheckpointToTheByte) {
  const SynthPlan plan = plan_checkpoint(preset("qwen3-next-80b", Recipe::kInt4Mixed));
  EXPECT_EQ(plan.totals(false).tensors, 222'447u);
  EXPECT_EQ(plan.totals(false).bytes, 43'243'415'040u);
  EXPECT_EQ(plan.totals(true).tensors, 4'641u);
  EXPECT_EQ(plan.totals(true).bytes, 859'042'816u);
  for (const SynthShard& shard : plan.shards) EXPECT_LE(shard.data_bytes, kSynthShardBytes);
}

TEST(SynthPlan, Bf16IsTheAuditedCheckpointToTheByte) {
  const SynthPlan plan = plan_checkpoint(preset("qwen3-next-80b", Recipe::kBf16));
  EXPECT_EQ(plan.totals(false).tensors, 75'944u);
  EXPECT_EQ(plan.totals(false).bytes, 162'649'725'440u);
  EXPECT_EQ(plan.totals(true).tensors, 0u);
}

/// 300 modules of 8 bits, 96 routers and gates, 2 gates of the MTP layer.
TEST(SynthPlan, ExtraConfigListsWhatAutoRoundLists) {
  const auto config = config_json(preset("qwen3-next-80b", Recipe::kInt4Mixed));
  const auto& extra = config["quantization_config"]["extra_config"];
  EXPECT_EQ(extra.size(), 398u);
  EXPECT_EQ(extra["model.layers.3.self_attn.q_proj"]["bits"], 8);
  EXPECT_EQ(extra["mtp.layers.0.mlp.gate"]["bits"], 16);
}

/// The bytes that one token reads at batch 1, zero points included.
TEST(SynthPlan, OneTokenReadsWhatTheRooflineSays) {
  const SynthModel model = preset("qwen3-next-80b", Recipe::kInt4Mixed);
  uint64_t experts = 0;
  uint64_t others = 0;
  for (const SynthShard& shard : plan_checkpoint(model).shards) {
    if (shard.extra) continue;
    for (const SafetensorsEntry& entry : shard.entries) {
      const bool routed = entry.name.find(".experts.") != std::string::npos;
      if (entry.name == "model.embed_tokens.weight") continue;
      (routed ? experts : others) += entry.end - entry.begin;
    }
  }
  const uint64_t embedding_row = 2 * 2048;
  EXPECT_EQ(experts * 10 / 512 + others + embedding_row, 3'240'900'096u);
}

TEST(SynthFill, AnyPieceOfATensorIsTheSame) {
  const auto table = std::make_shared<const ValueTable>(normal_table(0, 1));
  const std::vector<Fill> fills = {{.kind = Fill::Kind::kRandomBits},
                                   {.kind = Fill::Kind::kWord, .word = 0x77777777u},
                                   {.kind = Fill::Kind::kTable, .table = table},
                                   {.kind = Fill::Kind::kGroupIndex, .group_size = 3}};
  for (const Fill& fill : fills) {
    std::vector<std::byte> whole(1002);
    fill_bytes(fill, 7, 0, whole);
    for (const size_t cut : {8, 16, 488, 1000}) {
      std::vector<std::byte> first(cut);
      std::vector<std::byte> second(whole.size() - cut);
      fill_bytes(fill, 7, 0, first);
      fill_bytes(fill, 7, cut, second);
      first.insert(first.end(), second.begin(), second.end());
      EXPECT_EQ(first, whole) << cut;
    }
  }
}

TEST(SynthFill, GroupIndexCountsGroups) {
  std::vector<int32_t> values(10);
  fill_bytes({.kind = Fill::Kind::kGroupIndex, .group_size = 4}, 0, 0,
             std::as_writable_bytes(std::span(values)));
  EXPECT_EQ(values, (std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2}));
}

/// Mean and deviation of a table of BF16 values.
std::pair<double, double> moments(const ValueTable& table) {
  double sum = 0;
  double squares = 0;
  for (const uint16_t value : table) {
    sum += bf16_to_float(value);
    squares += bf16_to_float(value) * bf16_to_float(value);
  }
  const double mean = sum / kValueTableSize;
  return {mean, std::sqrt(squares / kValueTableSize - mean * mean)};
}

TEST(SynthFill, TablesHaveTheirDistributions) {
  const auto [mean, deviation] = moments(normal_table(1, 0.05f));
  EXPECT_NEAR(mean, 1, 1e-3);
  EXPECT_NEAR(deviation, 0.05, 1e-3);
  for (const uint16_t value : log_table(0.5f, 16)) {
    EXPECT_GE(bf16_to_float(value), -0.7);
    EXPECT_LE(bf16_to_float(value), 2.79);
  }
  for (const uint16_t value : softplus_inverse_table(1e-3f, 0.1f)) {
    const double step = std::log1p(std::exp(double{bf16_to_float(value)}));
    EXPECT_GE(step, 0.97e-3);
    EXPECT_LE(step, 0.103);
  }
  int negative = 0;
  for (const uint16_t value : scale_table(0.01f, true)) {
    negative += f16_to_float(value) < 0;
    EXPECT_GE(std::abs(f16_to_float(value)), 0.00499f);
    EXPECT_LE(std::abs(f16_to_float(value)), 0.01501f);
  }
  EXPECT_EQ(negative, static_cast<int>(kValueTableSize / 2));
}

TEST(SynthTokenizer, HasTheRealSpecialIds) {
  const SynthModel model = preset("qwen3-next-80b", Recipe::kBf16);
  const auto tokenizer = nlohmann::json::parse(stub_tokenizer_json(model.config));
  const auto& vocabulary = tokenizer["model"]["vocab"];
  EXPECT_EQ(vocabulary.size(), 151'643u);
  EXPECT_EQ(tokenizer["model"]["merges"].size(), 151'643u - 256u);
  std::map<std::string, int> added;
  for (const auto& token : tokenizer["added_tokens"]) added[token["content"]] = token["id"];
  EXPECT_EQ(added.size(), 26u);
  EXPECT_EQ(added["<|endoftext|>"], 151643);
  EXPECT_EQ(added["<|im_end|>"], 151645);
  EXPECT_EQ(added["</think>"], 151668);
}

TEST(SynthTokenizer, EveryMergeJoinsTokensIntoALaterOne) {
  const SynthModel model = preset("tiny", Recipe::kBf16);
  const auto tokenizer = nlohmann::json::parse(stub_tokenizer_json(model.config));
  const auto& vocabulary = tokenizer["model"]["vocab"];
  EXPECT_EQ(vocabulary.size(), 731u);
  for (const std::string merge : tokenizer["model"]["merges"]) {
    const size_t space = merge.find(' ');
    const std::string left = merge.substr(0, space);
    const std::string right = merge.substr(space + 1);
    ASSERT_TRUE(vocabulary.contains(left) && vocabulary.contains(right)) << merge;
    ASSERT_TRUE(vocabulary.contains(left + right)) << merge;
    EXPECT_GT(vocabulary[left + right], vocabulary[left]);
    EXPECT_GT(vocabulary[left + right], vocabulary[right]);
  }
}

class SynthRecipe : public ::testing::TestWithParam<Recipe> {};

TEST_P(SynthRecipe, LoadsAsItWasPlanned) {
  const SynthModel model = preset("tiny", GetParam());
  const TempFolder folder;
  write(model, 1, folder.path() / "new" / "model");
  const auto path = folder.path() / "new" / "model";

  const ModelConfig config = load_model_config(path);
  EXPECT_EQ(config.layers, model.config.layers);
  EXPECT_EQ(config.rotary_dim, model.config.rotary_dim);
  EXPECT_EQ(config.eos_tokens, model.config.eos_tokens);
  EXPECT_EQ(config.conv_channels(), model.config.conv_channels());

  const QuantizationConfig quantization = load_quantization_config(path);
  const Checkpoint checkpoint(path);
  for (const ModuleSpec& spec : qwen3_next_modules(config, has_mtp(model.recipe))) {
    if (!spec.linear) {
      checkpoint.require(spec.name, spec.shape(), kPlainDTypes);
      continue;
    }
    const QuantizedMatrix matrix =
        load_linear(checkpoint, quantization, {spec.name, spec.rows(), spec.cols()});
    EXPECT_EQ(weight_bits(matrix.layout), stored_bits(model, spec)) << spec.name;
    EXPECT_EQ(matrix.zeros, nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(Recipes, SynthRecipe,
                         ::testing::Values(Recipe::kInt4Mixed, Recipe::kInt4MixedOld, Recipe::kInt4,
                                           Recipe::kGptqInt4, Recipe::kBf16));

/// Root mean square of the weights of a module.
double weight_rms(const TempFolder& folder, const LinearModule& module) {
  const Checkpoint checkpoint(folder.path());
  double squares = 0;
  const std::vector<float> values =
      testing::dequantise(load_linear(checkpoint, load_quantization_config(folder.path()), module));
  for (const float value : values) squares += double{value} * value;
  return std::sqrt(squares / static_cast<double>(values.size()));
}

TEST(Synth, LinearLayersKeepTheSizeOfTheirInput) {
  for (const Recipe recipe : {Recipe::kInt4Mixed, Recipe::kGptqInt4, Recipe::kBf16}) {
    const TempFolder folder;
    write(preset("tiny", recipe), 2, folder.path());
    const double unit = std::sqrt(128.0);  // of 128 inputs
    const double down_unit = std::sqrt(64.0);
    const double damping = std::sqrt(2.0 * 4);
    EXPECT_NEAR(weight_rms(folder, {"model.layers.3.self_attn.q_proj", 256, 128}) * unit, 1, 0.05);
    EXPECT_NEAR(weight_rms(folder, {"model.layers.0.mlp.experts.5.up_proj", 64, 128}) * unit, 1,
                0.05);
    EXPECT_NEAR(weight_rms(folder, {"model.layers.0.mlp.experts.5.down_proj", 128, 64}) *
                    down_unit * damping,
                1, 0.05);
    EXPECT_NEAR(weight_rms(folder, {"model.layers.0.mlp.gate", 16, 128}) * unit, 2, 0.2);
  }
}

TEST(Synth, EveryPlainValueIsFinite) {
  const TempFolder folder;
  write(preset("tiny", Recipe::kBf16), 5, folder.path());
  const Checkpoint checkpoint(folder.path());
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    ASSERT_EQ(tensor.view.dtype, DType::kBF16);
    for (int64_t i = 0; i < tensor.view.element_count(); ++i) {
      ASSERT_TRUE(std::isfinite(bf16_to_float(tensor.view.as<uint16_t>()[i]))) << tensor.name;
    }
  }
}

TEST(Synth, SeedDecidesTheBytes) {
  const SynthModel model = preset("tiny", Recipe::kInt4Mixed);
  const TempFolder a;
  const TempFolder b;
  const TempFolder c;
  write(model, 3, a.path());
  write(model, 3, b.path());
  write(model, 4, c.path());
  const char* name = "model-00001-of-00001.safetensors";
  EXPECT_EQ(testing::read_file(a.path() / name), testing::read_file(b.path() / name));
  EXPECT_NE(testing::read_file(a.path() / name), testing::read_file(c.path() / name));
}

TEST(Synth, RefusesToOverwrite) {
  const SynthPlan plan = plan_checkpoint(preset("tiny", Recipe::kBf16));
  const TempFolder folder;
  EXPECT_NO_THROW(check_synth_target(plan, folder.path()));
  EXPECT_NO_THROW(check_synth_target(plan, folder.path() / "a" / "b"));
  testing::write_file(folder.path() / "something", "");
  EXPECT_THROW(check_synth_target(plan, folder.path()), UsageError);
  EXPECT_THROW(check_synth_target(plan, folder.path() / "something"), UsageError);
}

TEST(Synth, ChecksTheDiskFirst) {
  SynthPlan plan;
  plan.shards.push_back({.file = "x", .entries = {}, .fills = {}, .data_bytes = uint64_t{1} << 60});
  const TempFolder folder;
  try {
    check_synth_target(plan, folder.path() / "model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("GB free"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace hearth
