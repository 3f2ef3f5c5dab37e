// The forward pass against the specification's toy model, in every kernel set, DeltaNet form and
// split of the prompt.
#include "tests/model/toy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "engine/sampler.h"
#include "engine/sequence_runner.h"

namespace hearth {
namespace {

// Logits are of order 1: float rounding in another order of operations, through four layers.
constexpr double kAgreement = 1e-4;

using Rows = std::vector<std::vector<float>>;

void expect_near(const float* actual, std::initializer_list<double> expected, double tolerance) {
  for (const double value : expected) EXPECT_NEAR(*actual++, value, tolerance);
}

/// Logits of every token when the prompt is fed in parts of the given sizes.
Rows run_in_parts(const Model& model, const std::vector<size_t>& parts) {
  SequenceRunner runner(model, {.context_tokens = 70, .chunk_tokens = 70, .logit_rows = 70});
  const std::vector<int32_t> tokens = toy::toy_tokens();
  Rows rows;
  size_t first = 0;
  for (const size_t size : parts) {
    runner.feed_all(std::span(tokens).subspan(first, size),
                    [&](int64_t, std::span<const float> logits) {
                      rows.emplace_back(logits.begin(), logits.end());
                    });
    first += size;
  }
  EXPECT_EQ(first, tokens.size());
  return rows;
}

double largest_difference(const Rows& a, const Rows& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[i].size(); ++j) {
      largest = std::max(largest, std::abs(static_cast<double>(a[i][j]) - b[i][j]));
    }
  }
  return largest;
}

class ToyTest : public testing::TestWithParam<std::string> {
 protected:
  ToyTest() : backend_({.threads = 2, .kernel_set = GetParam()}), toy_(toy::make_toy_model()) {}

  Model model(const ModelOptions& options) {
    return Model(toy_.config, toy_.weights, backend_, options);
  }

  CpuBackend backend_;
  toy::ToyModel toy_;
};

TEST(ToyStream, IsTheSpecifiedOne) {
  const std::vector<double> values = toy::stream("model.norm.weight", 3);
  EXPECT_DOUBLE_EQ(values[0], 0.0486878363620602);
  EXPECT_DOUBLE_EQ(values[1], 0.13782008964908277);
  EXPECT_DOUBLE_EQ(values[2], 0.4020569522203856);
  const toy::ToyModel toy = toy::make_toy_model();
  expect_near(static_cast<const float*>(toy.weights.embedding.weights) + 32,
              {-0.05853159, -0.14931886, 0.17779009, -0.10624836}, 1e-7);
}

TEST_P(ToyTest, GivesTheGoldenLogits) {
  const Rows rows = run_in_parts(model({.exact = true}), {70});
  expect_near(rows[0].data(), {-0.97177558, -1.19900873, 0.37999979, 0.12713732, -0.79673525},
              2e-5);
  expect_near(rows[69].data(), {-0.30092978, -1.31041947, 0.11769313, 1.61314275, 0.85577719},
              2e-5);
  EXPECT_EQ(argmax(rows[69]), 48);
  EXPECT_NEAR(rows[69][48], 2.461925507, 2e-5);
}

TEST_P(ToyTest, LeavesTheGoldenState) {
  const Model exact = model({.exact = true});
  SequenceRunner runner(exact, {.context_tokens = 70, .chunk_tokens = 70});
  runner.feed(toy::toy_tokens());
  const float* state = runner.state().recurrent(0);
  // Head 0, key dimension 0, value columns 0..3: the first block's first row.
  expect_near(state, {0.05153762, 0.00785056, 0.01869416, 0.02792201}, 1e-6);
  const int64_t floats = exact.state_shape().layer_recurrent();
  const double sum = std::accumulate(state, state + floats, 0.0,
                                     [](double total, float v) { return total + std::abs(v); });
  EXPECT_NEAR(sum, 7.817193687768231, 1e-4);
}

TEST_P(ToyTest, EverySplitOfThePromptAgrees) {
  for (const DeltaForm form : {DeltaForm::kRecurrent, DeltaForm::kChunked}) {
    const Model exact = model({.exact = true, .delta_form = form});
    const Rows whole = run_in_parts(exact, {70});
    EXPECT_LT(largest_difference(whole, run_in_parts(exact, {33, 37})), kAgreement);
    EXPECT_LT(largest_difference(whole, run_in_parts(exact, std::vector<size_t>(70, 1))),
              kAgreement);
    EXPECT_LT(largest_difference(whole, run_in_parts(exact, {1, 64, 3, 2})), kAgreement);
  }
}

TEST_P(ToyTest, ChunkedAndRecurrentFormsAgree) {
  const Rows recurrent = run_in_parts(model({.exact = true}), {70});
  const Rows chunked =
      run_in_parts(model({.exact = true, .delta_form = DeltaForm::kChunked}), {70});
  EXPECT_LT(largest_difference(recurrent, chunked), kAgreement);
}

TEST_P(ToyTest, SplitsGiveTheSameBitsInTheRecurrentForm) {
  const Model model_under_test = model({});
  const Rows whole = run_in_parts(model_under_test, {70});
  EXPECT_EQ(largest_difference(whole, run_in_parts(model_under_test, {33, 37})), 0.0);
  EXPECT_EQ(largest_difference(whole, run_in_parts(model_under_test, std::vector<size_t>(70, 1))),
            0.0);
}

TEST_P(ToyTest, ASequenceIsTheSameAloneAndInABatch) {
  const Model subject = model({});
  const Rows alone = run_in_parts(subject, {70});
  KvPagePool pool(subject.state_shape().page_bytes(), 8);
  SequenceState first(subject.state_shape(), pool);
  SequenceState second(subject.state_shape(), pool);
  Workspace workspace(subject, 128, 2, 2);
  const std::vector<int32_t> tokens = toy::toy_tokens();
  const std::vector<int32_t> others(tokens.rbegin(), tokens.rend());
  ASSERT_TRUE(first.reserve(70) && second.reserve(50));
  const Segment batch[] = {{&second, std::span(others).first(50), 1}, {&first, tokens, 1}};
  subject.forward(batch, workspace);
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(workspace.logits(1)[i], alone[69][i]);
}

TEST_P(ToyTest, SnapshotsAndForksGoOnAlike) {
  const Model subject = model({});
  KvPagePool pool(subject.state_shape().page_bytes(), 8);
  SequenceState state(subject.state_shape(), pool);
  Workspace workspace(subject, 70, 1, 1);
  const std::vector<int32_t> tokens = toy::toy_tokens();
  const auto feed = [&](SequenceState& target, size_t first, size_t count) {
    EXPECT_TRUE(target.reserve(static_cast<int64_t>(count)));
    const Segment segment{&target, std::span(tokens).subspan(first, count), 1};
    subject.forward({&segment, 1}, workspace);
    return std::vector<float>(workspace.logits(0), workspace.logits(0) + 50);
  };
  feed(state, 0, 40);
  const StateSnapshot snapshot = state.snapshot();
  SequenceState fork = state.fork();
  const std::vector<float> expected = feed(state, 40, 30);
  feed(fork, 10, 5);  // a different continuation must not disturb the others
  EXPECT_EQ(fork.length(), 45);
  state.restore(snapshot);
  EXPECT_EQ(state.length(), 40);
  EXPECT_EQ(feed(state, 40, 30), expected);
  fork = SequenceState(subject.state_shape(), pool);
  fork.restore(snapshot);
  EXPECT_EQ(feed(fork, 40, 30), expected);
}

/// The logits after each part of a sequence that is longer than two spans of attention.
Rows run_long(const Model& model, const std::vector<size_t>& parts) {
  SequenceRunner runner(model, {.context_tokens = 2300, .chunk_tokens = 2300});
  std::vector<int32_t> tokens(2300);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>((i * i + 7 * i) % 47);
  Rows rows;
  size_t first = 0;
  for (const size_t size : parts) {
    const std::span<const float> logits = runner.feed(std::span(tokens).subspan(first, size));
    rows.emplace_back(logits.begin(), logits.end());
    first += size;
  }
  return rows;
}

TEST_P(ToyTest, LongContextsGiveTheSameBitsHoweverTheyAreSplit) {
  if (GetParam() == "reference") GTEST_SKIP() << "slow, and the backend is the same";
  for (const KvType kv : {KvType::kBf16, KvType::kInt8}) {
    const Model subject = model({.kv = kv});
    const Rows whole = run_long(subject, {2200, 1, 31});
    // Few tokens at a time: spans are shared among workers, with one worker in several rounds.
    const Rows split = run_long(subject, {1000, 23, 1, 1, 75, 1, 1000, 37, 62, 1, 31});
    EXPECT_EQ(split[8], whole[0]);
    EXPECT_EQ(split[9], whole[1]);
    EXPECT_EQ(split[10], whole[2]);
    for (const int threads : {1, 3}) {
      CpuBackend backend({.threads = threads, .kernel_set = GetParam()});
      const Model other(toy_.config, toy_.weights, backend, {.kv = kv});
      EXPECT_EQ(run_long(other, {2180, 20, 1, 31})[3], whole[2]) << threads << " threads";
    }
  }
}

TEST_P(ToyTest, LongSequencesAreTheSameAloneAndInABatch) {
  if (GetParam() == "reference") GTEST_SKIP() << "slow, and the backend is the same";
  const Model subject = model({});
  KvPagePool pool(subject.state_shape().page_bytes(), 200);
  Workspace workspace(subject, 2200, 3, 3);
  std::vector<int32_t> tokens(2200);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * 11 % 50);
  std::vector<SequenceState> states;
  for (const size_t length : {2100u, 1200u, 30u, 2100u}) {
    states.emplace_back(subject.state_shape(), pool);
    ASSERT_TRUE(states.back().reserve(static_cast<int64_t>(length) + 2));
    const Segment prompt{&states.back(), std::span(tokens).first(length), 1};
    subject.forward({&prompt, 1}, workspace);
  }
  const std::span<const int32_t> next = std::span(tokens).first(2);
  const Segment batch[] = {
      {&states[1], next.first(1), 1}, {&states[0], next, 1}, {&states[2], next, 1}};
  subject.forward(batch, workspace);
  const std::vector<float> together(workspace.logits(1), workspace.logits(1) + 50);
  const Segment alone{&states[3], next, 1};
  subject.forward({&alone, 1}, workspace);
  EXPECT_EQ(std::vector<float>(workspace.logits(0), workspace.logits(0) + 50), together);
}

std::vector<std::string> kernel_set_names() {
  std::vector<std::string> names;
  for (const KernelSet& set : available_kernel_sets()) names.emplace_back(set.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(KernelSets, ToyTest, testing::ValuesIn(kernel_set_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hearth
