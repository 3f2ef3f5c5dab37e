#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "app/numbers.h"
#include "app/show_report.h"
#include "app/synth_plan.h"
#include "app/synth_writer.h"
#include "tests/support/model_source.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::TempFolder;

const ComponentUse& find(const ShowReport& report, Component component, bool mtp = false) {
  for (const ComponentUse& use : report.components) {
    if (use.component == component && use.mtp == mtp) return use;
  }
  throw std::out_of_range(std::string(component_name(component)));
}

ShowReport inspect_synthetic(Recipe recipe, SynthPlan& plan) {
  const TempFolder folder;
  SynthModel model = find_preset("tiny").value();
  model.recipe = recipe;
  plan = plan_checkpoint(model);
  write_checkpoint(model, plan, 0, folder.path(), [](uint64_t) {});
  return inspect_model(folder.path());
}

TEST(Numbers, AreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(43'243'415'040), "43,243,415,040");
}

TEST(Show, CountsEveryTensorOnce) {
  for (const Recipe recipe : {Recipe::kInt4Mixed, Recipe::kGptqInt4, Recipe::kBf16}) {
    SynthPlan plan;
    const ShowReport report = inspect_synthetic(recipe, plan);
    uint64_t tensors = 0;
    for (const ComponentUse& use : report.components) tensors += use.tensors;
    const SynthTotals main = plan.totals(false);
    const SynthTotals extra = plan.totals(true);
    EXPECT_EQ(tensors, main.tensors + extra.tensors);
    EXPECT_EQ(report.stored_bytes(false) + report.stored_bytes(true), main.bytes + extra.bytes);
    EXPECT_EQ(report.unused_tensors, 0u);
    EXPECT_EQ(report.unused_bytes, 0u);
    EXPECT_EQ(report.has_mtp, has_mtp(recipe));
  }
}

TEST(Show, TellsFormatsApart) {
  SynthPlan plan;
  const ShowReport report = inspect_synthetic(Recipe::kInt4Mixed, plan);
  const ComponentUse& experts = find(report, Component::kRoutedExperts);
  ASSERT_EQ(experts.formats.size(), 1u);
  EXPECT_EQ(experts.formats[0].text(), "gptq 4 bit, groups of 32");
  EXPECT_EQ(experts.modules, 4u * 16 * 3);
  EXPECT_EQ(find(report, Component::kAttention).formats[0].bits, 8);
  EXPECT_EQ(find(report, Component::kHead).formats[0].text(), "plain 16 bit");
  EXPECT_EQ(find(report, Component::kDeltaNet).formats.size(), 2u);  // and conv1d, A_log, dt_bias
  EXPECT_EQ(find(report, Component::kMtpProjection, true).formats[0].bits, 4);
}

TEST(Show, CountsWhatATokenReads) {
  SynthPlan plan;
  const ShowReport report = inspect_synthetic(Recipe::kBf16, plan);
  const ComponentUse& experts = find(report, Component::kRoutedExperts);
  EXPECT_EQ(experts.token_bytes * 16, experts.stored_bytes * 4);  // 4 of 16 experts
  EXPECT_EQ(find(report, Component::kEmbedding).token_bytes, 128u * 2);
  EXPECT_EQ(find(report, Component::kHead).token_bytes, 1024u * 128 * 2);
}

TEST(Show, DoesNotCountSymmetricZeroPointsAsRead) {
  SynthPlan plan;
  const ShowReport report = inspect_synthetic(Recipe::kInt4Mixed, plan);
  const ComponentUse& shared = find(report, Component::kSharedExperts);
  const uint64_t values = 4 * 3 * 128 * 64;
  EXPECT_EQ(shared.stored_bytes, values + values / 32 * 3);
  EXPECT_EQ(shared.token_bytes, values + values / 32 * 2);
}

TEST(Show, SizesTheStateOfTheRealModel) {
  ShowReport report;
  report.config = find_preset("qwen3-next-80b")->config;
  EXPECT_EQ(report.state_bytes(), 75'497'472u + 3'538'944u);
  EXPECT_EQ(report.kv_bytes_per_token(), 24'576u);
}

/// Written by transformers, AutoRound and GPTQModel themselves.
TEST(Show, KnowsEveryTensorOfTheCommittedCheckpoints) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/checkpoints")) {
    if (!entry.is_directory()) continue;
    const ShowReport report = inspect_model(entry.path());
    EXPECT_EQ(report.unused_tensors, 0u) << entry.path();
    EXPECT_EQ(report.unused_bytes, 0u) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 6);
}

TEST(Show, CountsWhatIsNotOfTheModel) {
  const TempFolder folder;
  testing::ModelSource model = testing::tiny_model();
  model.add({"vision.weight", DType::kF32, {2, 2}, std::string(16, '\0')});
  model.write(folder.path());
  const ShowReport report = inspect_model(folder.path());
  EXPECT_EQ(report.unused_tensors, 1u);
  EXPECT_EQ(report.unused_bytes, 16u);
}

}  // namespace
}  // namespace hearth
