// The model that ships with hearth, on held-out text: what quantising costs, and what integer
// activations cost on top. tests/golden/ember is written by tools/ember/record.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/cpu/cpu_backend.h"
#include "base/npy.h"
#include "engine/sampler.h"
#include "engine/sequence_runner.h"
#include "tests/support/logit_distance.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = "tests/golden/ember";
constexpr int64_t kTokens = 20'000;  // at least, of the text

// Allowed of the perplexity: the quantised model beside the float32 one it was made from, and
// integer activations beside float ones over the same weights.
constexpr double kQuantisedWorse = 0.02;
constexpr double kInt8Worse = 0.003;
constexpr double kTop1Agreement = 0.99;
constexpr double kDivergence = 0.002;  // nats, mean over positions

/// Conversations and plain texts, each a sequence of its own.
std::vector<std::vector<int32_t>> documents() {
  const NpyInts tokens = read_npy_ints(kGolden / "tokens.npy");
  const NpyInts lengths = read_npy_ints(kGolden / "lengths.npy");
  std::vector<std::vector<int32_t>> found;
  auto at = tokens.values.begin();
  for (const int64_t length : lengths.values) {
    found.emplace_back(at, at + length);
    at += length;
  }
  return found;
}

/// What float32 weights miss of each token but the first of its document, in nats, as
/// transformers computed it.
double reference_loss() {
  std::ifstream file(kGolden / "reference.json");
  return nlohmann::json::parse(file).at("loss");
}

/// [tokens][vocab], as natural logarithms of probabilities.
using Chances = std::vector<std::vector<double>>;

Chances chances(const Model& model, const std::vector<int32_t>& tokens) {
  const int64_t count = static_cast<int64_t>(tokens.size());
  SequenceRunner runner(model,
                        {.context_tokens = count, .chunk_tokens = count, .logit_rows = count});
  Chances all;
  runner.feed_all(tokens, [&](int64_t, std::span<const float> logits) {
    all.push_back(testing::log_softmax(logits));
  });
  return all;
}

size_t likeliest(const std::vector<double>& row) {
  return static_cast<size_t>(std::ranges::max_element(row) - row.begin());
}

/// Sums over the text.
struct Comparison {
  int64_t rows = 0;
  int64_t predicted = 0;
  int64_t agreed = 0;
  double exact_loss = 0;
  double int8_loss = 0;
  double divergence = 0;

  void add(const std::vector<int32_t>& tokens, const Chances& exact, const Chances& int8) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      ++rows;
      agreed += likeliest(exact[i]) == likeliest(int8[i]) ? 1 : 0;
      divergence += testing::divergence(exact[i], int8[i]);
      if (i + 1 == tokens.size()) continue;
      const size_t next = static_cast<size_t>(tokens[i + 1]);
      ++predicted;
      exact_loss -= exact[i][next];
      int8_loss -= int8[i][next];
    }
  }

  double exact() const { return exact_loss / static_cast<double>(predicted); }
  double int8() const { return int8_loss / static_cast<double>(predicted); }
};

TEST(EmberTest, HeldOutTextCostsLittleMore) {
  CpuBackend backend({.threads = 2, .kernel_set = {}});
  const Model exact(fs::path("models/ember"), backend, {.exact = true});
  const Model int8(fs::path("models/ember"), backend, {});
  Comparison sum;
  for (const std::vector<int32_t>& tokens : documents()) {
    sum.add(tokens, chances(exact, tokens), chances(int8, tokens));
  }
  ASSERT_GE(sum.rows, kTokens);
  const double agreement = static_cast<double>(sum.agreed) / static_cast<double>(sum.rows);
  const double divergence = sum.divergence / static_cast<double>(sum.rows);
  std::printf("perplexity: float32 %.4f, quantised %.4f, with int8 activations %.4f\n",
              std::exp(reference_loss()), std::exp(sum.exact()), std::exp(sum.int8()));
  std::printf("int8 beside float: top-1 agreement %.4f, mean KL %.5f\n", agreement, divergence);
  EXPECT_LE(std::exp(sum.exact() - reference_loss()), 1 + kQuantisedWorse);
  EXPECT_LE(std::exp(sum.int8() - sum.exact()), 1 + kInt8Worse);
  EXPECT_GE(agreement, kTop1Agreement);
  EXPECT_LE(divergence, kDivergence);
}

}  // namespace
}  // namespace hearth
