// Every committed checkpoint against what Hugging Face's implementation computed from it in
// float32 (tests/golden/README.md), in every kernel set of this machine.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "base/npy.h"
#include "engine/sampler.h"
#include "engine/sequence_runner.h"
#include "tests/support/logit_distance.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

using testing::mean_divergence;
using testing::relative_rms;
using testing::Rows;

// Bounds of the float path: rounding in another order of operations.
constexpr double kExactError = 1e-4;
// Bounds of the int8 path beside the reference's float activations.
constexpr double kInt8Error = 0.03;
constexpr double kInt8Divergence = 0.005;  // nats, mean over positions
// With keys and values in int8 as well.
constexpr double kInt8KvError = 0.04;
constexpr double kInt8KvDivergence = 0.008;

struct Golden {
  std::vector<int32_t> prompt;
  std::vector<size_t> rows;  // positions of `logits`
  Rows logits;
  std::vector<int32_t> greedy;
};

std::vector<int32_t> read_tokens(const fs::path& path) {
  const NpyInts file = read_npy_ints(path);
  return {file.values.begin(), file.values.end()};
}

Rows split_rows(const NpyFloats& array) {
  const size_t width = static_cast<size_t>(array.shape.back());
  Rows rows;
  for (size_t at = 0; at < array.values.size(); at += width) {
    rows.emplace_back(array.values.begin() + static_cast<ptrdiff_t>(at),
                      array.values.begin() + static_cast<ptrdiff_t>(at + width));
  }
  return rows;
}

const Golden& golden(const std::string& name) {
  static std::map<std::string, Golden> cache;
  Golden& entry = cache[name];
  if (!entry.prompt.empty()) return entry;
  const fs::path folder = fs::path("tests/golden") / name;
  entry.prompt = read_tokens(folder / "prompt.npy");
  for (const int32_t row : read_tokens(folder / "rows.npy")) {
    entry.rows.push_back(static_cast<size_t>(row));
  }
  entry.logits = split_rows(read_npy_floats(folder / "logits.npy"));
  entry.greedy = read_tokens(folder / "greedy.npy");
  return entry;
}

/// The golden rows of the prompt's logits, fed in parts of `part` tokens.
Rows run_prompt(const Model& model, const Golden& expected, size_t part) {
  const int64_t count = static_cast<int64_t>(expected.prompt.size());
  SequenceRunner runner(model, {.context_tokens = count,
                                .chunk_tokens = static_cast<int64_t>(part),
                                .logit_rows = static_cast<int64_t>(part)});
  Rows all;
  runner.feed_all(expected.prompt, [&](int64_t, std::span<const float> logits) {
    all.emplace_back(logits.begin(), logits.end());
  });
  Rows chosen;
  for (const size_t row : expected.rows) chosen.push_back(all[row]);
  return chosen;
}

struct Case {
  std::string checkpoint;
  std::string kernel_set;
};

class GoldenTest : public ::testing::TestWithParam<Case> {
 protected:
  GoldenTest()
      : backend_({.threads = 2, .kernel_set = GetParam().kernel_set}),
        golden_(golden(GetParam().checkpoint)) {}

  Model model(const ModelOptions& options) {
    return Model(fs::path("tests/checkpoints") / GetParam().checkpoint, backend_, options);
  }
  size_t whole() const { return golden_.prompt.size(); }

  CpuBackend backend_;
  const Golden& golden_;
};

TEST_P(GoldenTest, ExactLogitsAreTheReferences) {
  ASSERT_GE(whole(), 300u);
  for (const DeltaForm form : {DeltaForm::kRecurrent, DeltaForm::kChunked}) {
    const Model exact = model({.exact = true, .delta_form = form});
    for (const size_t part : {whole(), size_t{100}, size_t{1}}) {
      const double error = relative_rms(run_prompt(exact, golden_, part), golden_.logits);
      EXPECT_LE(error, kExactError) << "parts of " << part;
      RecordProperty(fmt::format("relative_rms_{}", part), fmt::format("{:.2e}", error));
    }
  }
}

TEST_P(GoldenTest, GreedyContinuationIsTheReferences) {
  const Model exact = model({.exact = true});
  const int64_t context = static_cast<int64_t>(whole() + golden_.greedy.size());
  SequenceRunner runner(exact, {.context_tokens = context, .chunk_tokens = 512});
  std::span<const float> logits = runner.feed(golden_.prompt);
  std::vector<int32_t> tokens;
  while (tokens.size() < golden_.greedy.size()) {
    tokens.push_back(argmax(logits));
    if (tokens.size() < golden_.greedy.size()) logits = runner.feed({&tokens.back(), 1});
  }
  EXPECT_EQ(tokens, golden_.greedy);
}

TEST_P(GoldenTest, Int8ActivationsStayClose) {
  const Model fast = model({});
  const Rows rows = run_prompt(fast, golden_, whole());
  const double error = relative_rms(rows, golden_.logits);
  const double divergence = mean_divergence(rows, golden_.logits);
  fmt::print("{} {}: relative RMS {:.4f}, mean KL {:.6f} nats\n", GetParam().checkpoint,
             GetParam().kernel_set, error, divergence);
  EXPECT_LE(error, kInt8Error);
  EXPECT_LE(divergence, kInt8Divergence);
}

TEST_P(GoldenTest, Int8KeysAndValuesStayClose) {
  const Rows rows = run_prompt(model({.kv = KvType::kInt8}), golden_, whole());
  const double error = relative_rms(rows, golden_.logits);
  const double divergence = mean_divergence(rows, golden_.logits);
  fmt::print("{} {}, kv int8: relative RMS {:.4f}, mean KL {:.6f} nats\n", GetParam().checkpoint,
             GetParam().kernel_set, error, divergence);
  EXPECT_LE(error, kInt8KvError);
  EXPECT_LE(divergence, kInt8KvDivergence);
}

TEST_P(GoldenTest, SplitsAndThreadsGiveTheSameBits) {
  const Rows whole_prompt = run_prompt(model({}), golden_, whole());
  EXPECT_EQ(run_prompt(model({}), golden_, 100), whole_prompt);
  CpuBackend single({.threads = 1, .kernel_set = GetParam().kernel_set});
  const Model alone(fs::path("tests/checkpoints") / GetParam().checkpoint, single, {});
  EXPECT_EQ(run_prompt(alone, golden_, whole()), whole_prompt);
}

/// Residual streams of the whole prompt, one array [tokens · hidden] after each layer.
Rows residuals(const Model& model, const Golden& expected) {
  const int64_t count = static_cast<int64_t>(expected.prompt.size());
  SequenceRunner runner(model, {.context_tokens = count, .chunk_tokens = count});
  struct Seen {
    Rows layers;
    int64_t hidden;
  } seen{{}, model.config().hidden_size};
  runner.workspace().observer = {[](void* context, int64_t, const float* residual, int64_t tokens) {
                                   Seen& target = *static_cast<Seen*>(context);
                                   target.layers.emplace_back(residual,
                                                              residual + tokens * target.hidden);
                                 },
                                 &seen};
  runner.feed(expected.prompt);
  return seen.layers;
}

TEST_P(GoldenTest, EveryLayerLeavesTheReferencesResidual) {
  const fs::path folder = fs::path("tests/golden") / GetParam().checkpoint;
  if (!fs::exists(folder / "hidden.npy")) {
    GTEST_SKIP() << "hidden states were recorded for one checkpoint only";
  }
  const NpyFloats hidden = read_npy_floats(folder / "hidden.npy");
  const std::vector<int32_t> positions = read_tokens(folder / "hidden_rows.npy");
  const Rows layers = residuals(model({.exact = true}), golden_);
  ASSERT_EQ(static_cast<int64_t>(layers.size()), hidden.shape[0]);
  const size_t width = static_cast<size_t>(hidden.shape[2]);
  const Rows expected = split_rows(hidden);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    Rows actual;
    Rows reference;
    for (size_t i = 0; i < positions.size(); ++i) {
      const auto begin = layers[layer].begin() + static_cast<ptrdiff_t>(positions[i] * width);
      actual.emplace_back(begin, begin + static_cast<ptrdiff_t>(width));
      reference.push_back(expected[layer * positions.size() + i]);
    }
    EXPECT_LE(relative_rms(actual, reference), kExactError) << "after layer " << layer;
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& entry : fs::directory_iterator("tests/checkpoints")) {
    for (const KernelSet& set : available_kernel_sets()) {
      all.push_back({entry.path().filename().string(), set.name});
    }
  }
  std::sort(all.begin(), all.end(), [](const Case& a, const Case& b) {
    return std::tie(a.checkpoint, a.kernel_set) < std::tie(b.checkpoint, b.kernel_set);
  });
  return all;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenTest, ::testing::ValuesIn(cases()),
                         [](const auto& test) {
                           std::string name = test.param.checkpoint + "_" + test.param.kernel_set;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace hearth
