// What doctor concludes from findings, its prediction against a run, and its page.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "app/doctor_html.h"
#include "app/doctor_report.h"
#include "app/predict_models.h"
#include "app/svg_chart.h"
#include "app/synth_plan.h"
#include "app/synth_writer.h"
#include "base/error.h"
#include "model/traffic.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::TempFolder;

SynthModel tiny(Recipe recipe) {
  SynthModel model = find_preset("tiny").value();
  model.recipe = recipe;
  return model;
}

/// A machine that nothing is wrong with.
DoctorReport healthy() {
  DoctorReport report;
  report.cpu = "Some <CPU>";
  report.kernel_set = "avx512";
  report.kernel_sets = {"reference", "avx2", "avx512"};
  report.threads = 4;
  report.topology = {.processors = 8,
                     .cores = 4,
                     .usable_cores = 4,
                     .packages = 1,
                     .memory_nodes = 1,
                     .core_kinds = 1,
                     .last_cache_bytes = 1 << 25};
  report.machine.total_bytes = uint64_t{64} << 30;
  report.machine.transparent_huge_pages = "madvise";
  report.machine.open_files = 1024;
  report.available_bytes = uint64_t{60} << 30;
  report.bandwidth = {{1, 20e9, 18e9}, {4, 50e9, 45e9}};
  report.int8_macs_per_s = 1e12;
  report.bf16_macs_per_s = 5e11;
  report.storage_folder = "/models";
  report.storage.file_system.type = "ext4";
  report.storage.sequential_bytes_per_s = 3e9;
  report.storage.random_large_bytes_per_s = 2e9;
  report.storage.random_small_per_s = 1e5;
  return report;
}

const CheckLine& line(const std::vector<CheckLine>& checks, const std::string& topic) {
  for (const CheckLine& check : checks) {
    if (check.topic == topic) return check;
  }
  throw std::out_of_range(topic);
}

Prediction prediction_for(uint64_t total, uint64_t available) {
  const ModelOutline model = outline_of(find_known_checkpoint("instruct-int4-mixed"));
  const SpeedCurve curve{.decode_seconds = 0.1,
                         .decode_seconds_per_depth = 1e-6,
                         .chunk_seconds = 5,
                         .chunk_seconds_per_depth = 1e-4,
                         .head_seconds = 0.02};
  const MachineLimits limits{.random_read_bytes_per_s = 40e9,
                             .int8_macs_per_s = 1e12,
                             .storage_random_bytes_per_s = 1e9,
                             .storage_sequential_bytes_per_s = 2e9};
  const MemoryLedger ledger =
      make_ledger(model, {}, Residency::kMapped, {.context_tokens = 4096}, 2, available);
  Prediction prediction = predict(model, {}, curve, limits, ledger, total, 0.01);
  prediction.name = "m";
  return prediction;
}

TEST(DoctorChecks, AHealthyMachinePasses) {
  for (const CheckLine& check : doctor_checks(healthy())) {
    EXPECT_EQ(check.status, CheckStatus::kPass) << check.topic << ": " << check.text;
    EXPECT_FALSE(check.blocking);
  }
}

TEST(DoctorChecks, EveryProblemSaysWhatToDo) {
  DoctorReport report = healthy();
  report.kernel_set = "reference";
  report.kernel_sets = {"reference"};
  report.machine.group_processors = 1.5;
  report.machine.governor = "powersave";
  report.machine.transparent_huge_pages = "never";
  report.machine.reserved_huge_pages = 100;
  report.machine.overcommit_mode = 2;
  report.machine.group_memory_bytes = uint64_t{8} << 30;
  report.machine.locked_bytes = 65536;
  report.machine.open_files = 64;
  report.storage.sequential_bytes_per_s = 1e8;
  report.processor_share = 0.5;
  report.prediction_problem = "too little memory.";
  const std::vector<CheckLine> checks = doctor_checks(report);
  for (const char* topic :
       {"processor", "cores", "clock", "huge pages", "hugetlb", "overcommit", "memory", "busy",
        "locked memory", "open files", "storage", "prediction"}) {
    EXPECT_EQ(line(checks, topic).status, CheckStatus::kWarn) << topic;
    EXPECT_NE(line(checks, topic).fix, "") << topic;
  }
  EXPECT_NE(line(checks, "cores").fix.find("-t 1"), std::string::npos);
}

TEST(DoctorChecks, OnlyTooLittleMemoryIsTheEnd) {
  DoctorReport report = healthy();
  report.available_bytes = uint64_t{100} << 20;
  EXPECT_TRUE(line(machine_checks(report), "memory").blocking);
  report = healthy();
  report.predictions = {prediction_for(uint64_t{24} << 30, uint64_t{20} << 30)};
  EXPECT_EQ(line(model_checks(report), "m").status, CheckStatus::kFail);
  EXPECT_FALSE(line(model_checks(report), "m").blocking);
}

TEST(Predict, SaysWhetherAModelFits) {
  constexpr uint64_t kGib = uint64_t{1} << 30;
  EXPECT_EQ(prediction_for(64 * kGib, 60 * kGib).fit, Fit::kFits);
  EXPECT_EQ(prediction_for(64 * kGib, 20 * kGib).fit, Fit::kWithMore);
  EXPECT_EQ(prediction_for(24 * kGib, 20 * kGib).fit, Fit::kFromDisk);
  EXPECT_EQ(prediction_for(kGib + (kGib >> 4), kGib >> 4).fit, Fit::kNot);
}

TEST(Predict, BytesOverTimeAreTheShareOfTheBandwidth) {
  const Prediction p = prediction_for(uint64_t{64} << 30, uint64_t{60} << 30);
  // 3.24 GB of weights without the unread zero points, and the states, in 0.1 s of 40 GB/s.
  EXPECT_NEAR(p.decode_bytes_per_token, 3.298e9, 0.01e9);
  EXPECT_NEAR(p.decode_bandwidth_share, p.decode_bytes_per_token / 4e9, 1e-9);
  ASSERT_FALSE(p.help.empty());
  EXPECT_EQ(p.help.front(), "--head w8: 11.1 instead of 10.0 tokens/s in decode.");
}

TEST(Predict, FromDiskIsSlowerThanFromMemory) {
  const Prediction p = prediction_for(uint64_t{24} << 30, uint64_t{20} << 30);
  // Half of 0.78 GB of experts a token at 1 GB/s.
  EXPECT_NEAR(1 / p.disk_decode_tokens_per_s, 0.1 + 0.784 * 20.8 / 37.4, 0.05);
  EXPECT_LT(p.disk_prefill_tokens_per_s, p.curve.prefill_tokens_per_s(512));
}

TEST(Predict, CurvesGrowWithDepth) {
  const SpeedCurve curve{.decode_seconds = 0.1,
                         .decode_seconds_per_depth = 1e-5,
                         .chunk_seconds = 1,
                         .chunk_seconds_per_depth = 1e-3,
                         .head_seconds = 0};
  EXPECT_DOUBLE_EQ(curve.decode_tokens_per_s(0), 10);
  EXPECT_DOUBLE_EQ(curve.decode_tokens_per_s(10000), 5);
  EXPECT_DOUBLE_EQ(curve.prefill_tokens_per_s(kPredictedChunk), kPredictedChunk);
  // Chunks at depths 0 and 1024.
  EXPECT_DOUBLE_EQ(curve.prefill_tokens_per_s(2 * kPredictedChunk), 2048 / 3.024);
}

TEST(KnownCheckpoints, OutlinesAreWhatLoadingFinds) {
  for (const Recipe recipe : {Recipe::kInt4Mixed, Recipe::kInt4MixedOld, Recipe::kInt4,
                              Recipe::kGptqInt4, Recipe::kBf16}) {
    const SynthModel model = tiny(recipe);
    const TempFolder folder;
    write_checkpoint(model, plan_checkpoint(model), 0, folder.path(), [](uint64_t) {});
    CpuBackend backend({.threads = 1, .kernel_set = "reference"});
    const ModelFiles files(folder.path(), backend);
    const ModelOutline found = outline_of(files);
    const ModelOutline made = outline_of(model);
    const StateShape shape = state_shape_of(model.config, {});
    const ModelTraffic a = model_traffic(found.config, found.weights, shape);
    const ModelTraffic b = model_traffic(made.config, made.weights, shape);
    EXPECT_EQ(a.model_bytes, b.model_bytes);
    EXPECT_EQ(a.shared_bytes, b.shared_bytes);
    EXPECT_EQ(a.expert_bytes_per_token, b.expert_bytes_per_token);
    EXPECT_EQ(a.linear_macs_per_token, b.linear_macs_per_token);
    EXPECT_EQ(planned_copies(found.weights, HeadBits::k8, DenseBits::k4),
              planned_copies(made.weights, HeadBits::k8, DenseBits::k4));
    // The MTP layer lies among the model's own tensors in BF16 checkpoints, and is read with them.
    if (recipe == Recipe::kBf16) EXPECT_GE(found.weight_bytes, made.weight_bytes);
    else
      EXPECT_NEAR(static_cast<double>(found.weight_bytes), static_cast<double>(made.weight_bytes),
                  4096.0 * 8);
  }
}

TEST(KnownCheckpoints, AreAsLargeAsTheAudits) {
  EXPECT_EQ(outline_of(find_known_checkpoint("instruct-int4-mixed")).weight_bytes, 43'243'415'040u);
  // 162.6 GB less an MTP layer of 1.5 % of the parameters.
  EXPECT_NEAR(static_cast<double>(outline_of(find_known_checkpoint("instruct-bf16")).weight_bytes),
              159.3e9, 0.2e9);
  EXPECT_THROW(find_known_checkpoint("gpt"), UsageError);
}

TEST(ModelSample, RunsEveryRecipeAndAddsUp) {
  for (const Recipe recipe : {Recipe::kInt4Mixed, Recipe::kInt4, Recipe::kBf16}) {
    SynthModel model = tiny(recipe);
    CpuBackend backend({.threads = 2, .kernel_set = ""});
    const SampleSettings settings{.expert_bytes = 1 << 20, .seconds = 0};
    const ModelOutline outline = outline_of(model);
    const ModelSample sample(outline, {}, backend, settings);
    EXPECT_GT(sample.bytes(), sample.expert_bytes());
    const PassSeconds token = sample.decode(64);
    EXPECT_GT(token.head, 0);
    EXPECT_GT(token.layers[0], 0);
    EXPECT_GT(token.layers[1], 0);
    const PassSeconds prompt = sample.prefill(100, 64, 0);
    EXPECT_GT(prompt.total(), token.total());
  }
}

TEST(ModelSample, AModelOfMoreLayersTakesLonger) {
  SynthModel model = tiny(Recipe::kInt4Mixed);
  CpuBackend backend({.threads = 1, .kernel_set = ""});
  const SampleSettings settings{.expert_bytes = 1 << 20, .seconds = 0.05};
  const PassSeconds once = ModelSample(outline_of(model), {}, backend, settings).decode(0);
  const std::vector<MixerKind> period = model.config.layers;
  for (int i = 1; i < 10; ++i) {
    model.config.layers.insert(model.config.layers.end(), period.begin(), period.end());
  }
  const PassSeconds tenfold = ModelSample(outline_of(model), {}, backend, settings).decode(0);
  for (const size_t kind : {0u, 1u}) {
    EXPECT_GT(tenfold.layers[kind], 4 * once.layers[kind]);
    EXPECT_LT(tenfold.layers[kind], 25 * once.layers[kind]);
  }
}

TEST(DoctorPage, NeedsNothingElseAndEscapes) {
  DoctorReport report = healthy();
  report.predictions = {prediction_for(uint64_t{64} << 30, uint64_t{60} << 30)};
  const std::string page = doctor_html(report, doctor_checks(report));
  EXPECT_NE(page.find("Some &lt;CPU&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<CPU>"), std::string::npos);
  for (const char* foreign : {"<script", "http", "url(", "@import", "<link", "src="}) {
    EXPECT_EQ(page.find(foreign), std::string::npos) << foreign;
  }
  size_t charts = 0;
  for (size_t at = 0; (at = page.find("<svg", at)) != std::string::npos; ++at) ++charts;
  EXPECT_EQ(charts, 4u);
  EXPECT_EQ(page.find("nan"), std::string::npos);
}

TEST(DoctorJson, IsFlat) {
  DoctorReport report = healthy();
  report.predictions = {prediction_for(uint64_t{64} << 30, uint64_t{60} << 30)};
  const nlohmann::ordered_json json = doctor_json(report, doctor_checks(report));
  for (const auto& [key, value] : json.items()) {
    EXPECT_FALSE(value.is_object()) << key;
    if (!value.is_array()) continue;
    for (const auto& row : value) {
      for (const auto& cell : row) EXPECT_TRUE(cell.is_primitive()) << key;
    }
  }
  EXPECT_EQ(json["predictions"][0]["fit"], "fits");
  EXPECT_DOUBLE_EQ(json["predictions"][0]["decode_at_0_tokens_per_s"], 10.0);
}

TEST(Chart, AxesEndAtRoundNumbers) {
  EXPECT_EQ(axis_top(0), 1);
  EXPECT_EQ(axis_top(47), 50);
  EXPECT_EQ(axis_top(50), 50);
  EXPECT_EQ(axis_top(51), 75);
  EXPECT_DOUBLE_EQ(axis_top(0.12), 0.15);
  EXPECT_EQ(axis_top(980), 1000);
}

}  // namespace
}  // namespace hearth
