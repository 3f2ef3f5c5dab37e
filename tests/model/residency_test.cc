// Re-quantised copies, resident weights and the ledger, on a committed checkpoint.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "base/npy.h"
#include "engine/sequence_runner.h"
#include "model/memory_ledger.h"
#include "tests/support/dequantise.h"
#include "tests/support/logit_distance.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using testing::dequantise;
using testing::mean_divergence;
using testing::relative_rms;
using testing::Rows;

const fs::path kMixed = "tests/checkpoints/int4-mixed";

/// Logits of the recorded prompt's tokens.
Rows logits_of(const Model& model) {
  const NpyInts file = read_npy_ints("tests/golden/int4-mixed/prompt.npy");
  const std::vector<int32_t> tokens(file.values.begin(), file.values.end());
  const int64_t count = static_cast<int64_t>(tokens.size());
  SequenceRunner runner(model, {.context_tokens = count, .chunk_tokens = 128, .logit_rows = 128});
  Rows rows;
  runner.feed_all(tokens, [&](int64_t, std::span<const float> logits) {
    rows.emplace_back(logits.begin(), logits.end());
  });
  return rows;
}

class ResidencyTest : public ::testing::Test {
 protected:
  Model model(const ModelOptions& options) { return Model(kMixed, backend_, options); }

  CpuBackend backend_{{.threads = 2, .kernel_set = ""}};
};

TEST_F(ResidencyTest, AnEightBitHeadHasNearlyTheSameLogits) {
  const Model plain = model({});
  const Model copy = model({.head = HeadBits::k8});
  ASSERT_EQ(plain.weights().head.layout, QuantLayout::kBf16);
  ASSERT_EQ(copy.weights().head.layout, QuantLayout::kW8KPacked);
  EXPECT_EQ(copy.weights().head.group_size, kRequantisedGroup);
  EXPECT_EQ(copy.weights().embedding.layout, QuantLayout::kBf16);

  const double stated = copy.requantised().head().relative_rms();
  const double measured =
      relative_rms({dequantise(copy.weights().head)}, {dequantise(plain.weights().head)});
  EXPECT_NEAR(measured, stated, 1e-6);
  EXPECT_LT(measured, 0.008);

  const Rows expected = logits_of(plain);
  const Rows actual = logits_of(copy);
  const double error = relative_rms(actual, expected);
  const double divergence = mean_divergence(actual, expected);
  fmt::print("head w8: weights {:.4f}, logits {:.4f}, mean KL {:.7f} nats\n", measured, error,
             divergence);
  EXPECT_LT(error, 0.004);
  EXPECT_LT(divergence, 1e-4);
  EXPECT_GT(error, 0.0);
}

TEST_F(ResidencyTest, FourBitProjectionsAreAsFarOffAsTheySay) {
  const Model plain = model({});
  const Model copy = model({.dense = DenseBits::k4});
  EXPECT_EQ(copy.weights().head.layout, QuantLayout::kBf16);
  double worst = 0;
  int replaced = 0;
  const auto compare = [&](const QuantizedMatrix& before, const QuantizedMatrix& after) {
    if (!before.weights) return;
    EXPECT_EQ(after.layout, QuantLayout::kW4KPacked);
    if (before.layout == after.layout) return;
    ++replaced;
    worst = std::max(worst, relative_rms({dequantise(after)}, {dequantise(before)}));
  };
  for (size_t i = 0; i < plain.weights().layers.size(); ++i) {
    const LayerWeights& before = plain.weights().layers[i];
    const LayerWeights& after = copy.weights().layers[i];
    compare(before.delta.qkvz, after.delta.qkvz);
    compare(before.delta.out, after.delta.out);
    compare(before.attention.query_gate, after.attention.query_gate);
    compare(before.attention.out, after.attention.out);
    compare(before.moe.shared.down, after.moe.shared.down);
    EXPECT_EQ(before.delta.ba.layout, after.delta.ba.layout);
    EXPECT_EQ(before.moe.router.layout, after.moe.router.layout);
    EXPECT_EQ(before.moe.experts[0].up.layout, after.moe.experts[0].up.layout);
  }
  EXPECT_GT(replaced, 0);
  const Rows expected = logits_of(plain);
  const Rows actual = logits_of(copy);
  fmt::print("dense w4: weights {:.4f} (worst {:.4f}), logits {:.4f}, mean KL {:.5f} nats\n",
             copy.requantised().dense().relative_rms(), worst, relative_rms(actual, expected),
             mean_divergence(actual, expected));
  EXPECT_LT(copy.requantised().dense().relative_rms(), 0.105);
  EXPECT_LT(worst, 0.11);
  EXPECT_LT(mean_divergence(actual, expected), 0.05);
}

TEST_F(ResidencyTest, CopiesHaveTheSameBitsAtAnyThreadCount) {
  CpuBackend alone({.threads = 1, .kernel_set = ""});
  CpuBackend many({.threads = 5, .kernel_set = ""});
  const ModelOptions options{.head = HeadBits::k8, .dense = DenseBits::k4};
  const Model a(kMixed, alone, options);
  const Model b(kMixed, many, options);
  EXPECT_EQ(dequantise(a.weights().head), dequantise(b.weights().head));
  EXPECT_EQ(dequantise(a.weights().layers[0].delta.qkvz),
            dequantise(b.weights().layers[0].delta.qkvz));
  EXPECT_EQ(a.requantised().dense().squared_error, b.requantised().dense().squared_error);
}

TEST_F(ResidencyTest, ResidentWeightsGiveTheSameBits) {
  const Rows mapped = logits_of(model({}));
  for (const ReadMethod method :
       {ReadMethod::kIoUring, ReadMethod::kDirect, ReadMethod::kBuffered}) {
    ModelFiles files(kMixed, backend_);
    uint64_t wanted = 0;
    for (const FileRange& range : files.ranges()) wanted += range.bytes;
    const ReadReport report = files.make_resident({.method = method}, backend_);
    EXPECT_EQ(report.bytes, wanted);
    EXPECT_TRUE(files.mapped_ranges().empty());
    EXPECT_GE(files.checkpoint().resident_bytes(), wanted);
    EXPECT_EQ(logits_of(Model(std::move(files), backend_, {})), mapped);
  }
}

TEST_F(ResidencyTest, AShardCutOffAfterOpeningIsNamed) {
  const testing::TempFolder folder;
  fs::copy(kMixed, folder.path(), fs::copy_options::recursive);
  ModelFiles files(folder.path(), backend_);
  const fs::path shard = files.ranges().back().file;
  fs::resize_file(shard, fs::file_size(shard) - 5000);
  try {
    files.make_resident({}, backend_);
    ADD_FAILURE() << "no error";
  } catch (const LoadError& error) {
    EXPECT_EQ(error.problem().file, shard);
    EXPECT_EQ(error.problem().where, fmt::format("offset {}", fs::file_size(shard)));
  }
}

TEST_F(ResidencyTest, TheLedgerIsWhatIsTaken) {
  const ModelOptions options{.head = HeadBits::k8, .dense = DenseBits::k4};
  const RunNeeds needs{.context_tokens = 300, .chunk_tokens = 64, .logit_rows = 3};
  ModelFiles files(kMixed, backend_);
  const MemoryLedger ledger = make_ledger(files, options, Residency::kMapped, needs, 2, 1 << 30);
  const Model subject(std::move(files), backend_, options);
  EXPECT_EQ(ledger.requantised_bytes, subject.requantised().bytes());
  const StateShape& shape = subject.state_shape();
  EXPECT_EQ(ledger.kv_bytes, static_cast<uint64_t>(shape.pages(300) * shape.page_bytes()));
  EXPECT_EQ(ledger.state_bytes_per_sequence,
            static_cast<uint64_t>(shape.fixed_floats()) * sizeof(float));
  const Workspace workspace(subject, 64, 1, 3);
  EXPECT_GT(ledger.scratch_bytes, workspace.bytes());
  EXPECT_EQ(ledger.anonymous_bytes(), ledger.requantised_bytes + ledger.kv_bytes +
                                          ledger.state_bytes_per_sequence + ledger.scratch_bytes);
}

TEST_F(ResidencyTest, TooLittleMemoryNamesTheFlagsThatFit) {
  const ModelFiles files(kMixed, backend_);
  const ModelOptions options{.head = HeadBits::k8};
  const RunNeeds needs{.context_tokens = 4096, .chunk_tokens = 16};
  const auto message = [&](Residency residency, uint64_t available) -> std::string {
    try {
      require_fit(make_ledger(files, options, residency, needs, 1, available), options);
    } catch (const MemoryError& error) {
      EXPECT_EQ(error.code(), ExitCode::kOutOfMemory);
      return error.what();
    }
    return "fits";
  };
  const MemoryLedger ledger = make_ledger(files, options, Residency::kResident, needs, 1, 0);
  const uint64_t all = ledger.anonymous_bytes();
  const uint64_t mapped = ledger.anonymous_bytes(Residency::kMapped);
  EXPECT_EQ(message(Residency::kResident, all), "fits");
  const std::string resident = message(Residency::kResident, all - 1);
  EXPECT_NE(resident.find("--residency mapped"), std::string::npos) << resident;
  EXPECT_EQ(resident.find("--head bf16"), std::string::npos) << resident;
  EXPECT_EQ(message(Residency::kMapped, mapped), "fits");
  const std::string head = message(Residency::kMapped, mapped - 1);
  EXPECT_NE(head.find("with: --head bf16."), std::string::npos) << head;
  const std::string context = message(Residency::kMapped, mapped - ledger.kv_bytes);
  EXPECT_NE(context.find("context of at most"), std::string::npos) << context;
}

TEST(ChooseResidency, IsResidentWhenWeightsAreLargeNotCachedAndFit) {
  constexpr uint64_t kGib = uint64_t{1} << 30;
  const auto chosen = [](uint64_t weights, uint64_t available, double cached) {
    MemoryLedger ledger;
    ledger.weight_bytes = weights;
    ledger.available_bytes = available;
    return choose_residency(ledger, cached);
  };
  EXPECT_EQ(chosen(40 * kGib, 60 * kGib, 0.0), Residency::kResident);
  EXPECT_EQ(chosen(40 * kGib, 60 * kGib, 0.95), Residency::kMapped);
  EXPECT_EQ(chosen(40 * kGib, 41 * kGib, 0.0), Residency::kMapped);
  EXPECT_EQ(chosen(kGib / 2, 60 * kGib, 0.0), Residency::kMapped);
}

}  // namespace
}  // namespace hearth
