// Attention over a few blocks of cached tokens, against a softmax in double.
//
// Most cases have small integers for q and k: scores are exact then, however they are added, and
// what is left is the rounding of exponentials (up to 8 u, and another u per block) and of sums of
// T terms, at most (T + 16)·u relative to Σw and to Σ w·|v|. Where q and k are random, a score is
// off by at most δ = D·u·Σ|q·k|, which is a factor of 1 ± 2δ on every weight.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/half.h"
#include "tests/kernels/cases.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {
namespace {

enum class Scores : uint8_t {
  kSmall,    // integers, weights of similar size
  kExtreme,  // integers in the thousands: one token takes it all
  kEqual,    // keys all the same
  kRandom,
};

constexpr Scores kScores[] = {Scores::kSmall, Scores::kExtreme, Scores::kEqual, Scores::kRandom};
constexpr const char* kScoreNames[] = {"small scores", "extreme scores", "equal scores",
                                       "random scores"};

struct AttentionShape {
  int64_t heads;
  int64_t head_dim;
  std::vector<int64_t> blocks;  // tokens of each
};

/// One block's keys or values, as the kernel sees them and in double.
struct CachedRows {
  Guarded<float> floats;
  Guarded<uint16_t> halves;
  std::vector<double> values;

  CachedRows(const std::vector<float>& source, KvType type, Edge edge) {
    const int64_t n = static_cast<int64_t>(source.size());
    if (type == KvType::kF32) floats = Guarded<float>(n, edge);
    else halves = Guarded<uint16_t>(n, edge);
    for (int64_t i = 0; i < n; ++i) {
      float value = source[static_cast<size_t>(i)];
      if (type == KvType::kF32) {
        floats[i] = value;
      } else {
        halves[i] = float_to_bf16(value);
        value = bf16_to_float(halves[i]);
      }
      values.push_back(static_cast<double>(value));
    }
    if (type == KvType::kF32) floats.seal();
    else halves.seal();
  }

  const void* data() const {
    return floats.size() ? static_cast<const void*>(floats.data())
                         : static_cast<const void*>(halves.data());
  }
};

struct AttentionCase {
  AttentionShape shape;
  KvType type;
  int64_t q_stride;
  Guarded<float> q;
  std::vector<CachedRows> keys;
  std::vector<CachedRows> values;

  AttentionCase(const AttentionShape& s, KvType kv, Scores scores, Edge edge, Random& random)
      : shape(s),
        type(kv),
        q_stride(s.head_dim + random.integer(0, 9)),
        q((s.heads - 1) * q_stride + s.head_dim, edge) {
    std::fill(q.begin(), q.end(), unwritten());
    for (int64_t h = 0; h < s.heads; ++h) {
      for (int64_t d = 0; d < s.head_dim; ++d) q[h * q_stride + d] = draw_q(scores, random);
    }
    q.seal();
    for (const int64_t tokens : s.blocks) {
      std::vector<float> k(static_cast<size_t>(tokens * s.head_dim));
      std::vector<float> v(k.size());
      for (float& x : k) x = draw_k(scores, random);
      for (float& x : v) x = random.normal();
      keys.emplace_back(k, kv, edge);
      values.emplace_back(v, kv, edge);
    }
  }

  float draw_q(Scores scores, Random& random) const {
    const float integer = static_cast<float>(random.integer(-4, 4));
    switch (scores) {
      case Scores::kSmall: return integer * 0x1p-6f;
      case Scores::kExtreme: return integer * 4.0f;
      case Scores::kEqual: return integer;
      case Scores::kRandom: return random.normal() * 0.1f;
    }
    return 0;
  }

  static float draw_k(Scores scores, Random& random) {
    if (scores == Scores::kRandom) return random.normal();
    return scores == Scores::kEqual ? 1.0f : static_cast<float>(random.integer(-6, 6));
  }
};

/// What is carried from block to block.
struct Carried {
  Guarded<float> maxima;
  Guarded<float> sums;
  Guarded<float> output;

  Carried(const AttentionShape& shape, Edge edge)
      : maxima(shape.heads, edge),
        sums(shape.heads, edge),
        output(shape.heads * shape.head_dim, edge) {
    std::fill(maxima.begin(), maxima.end(), -INFINITY);
    std::fill(sums.begin(), sums.end(), 0.0f);
    std::fill(output.begin(), output.end(), 0.0f);
  }

  bool intact() const { return maxima.intact() && sums.intact() && output.intact(); }
};

/// All blocks, heads [begin, end).
void run_heads(const KernelSet& set, const AttentionCase& c, int64_t begin, int64_t end,
               const Carried& carried) {
  for (size_t b = 0; b < c.shape.blocks.size(); ++b) {
    AttentionBlock block;
    block.q = c.q.data() + begin * c.q_stride;
    block.q_stride = c.q_stride;
    block.keys = c.keys[b].data();
    block.values = c.values[b].data();
    block.kv_type = c.type;
    block.tokens = c.shape.blocks[b];
    block.head_dim = c.shape.head_dim;
    block.heads = end - begin;
    block.maxima = carried.maxima.data() + begin;
    block.sums = carried.sums.data() + begin;
    block.output = carried.output.data() + begin * c.shape.head_dim;
    set.attend(block);
  }
}

/// One head's scores of all tokens; returns δ.
double exact_scores(const AttentionCase& c, Scores kind, int64_t head,
                    std::vector<double>& scores) {
  double largest_norm = 0;
  for (size_t b = 0; b < c.shape.blocks.size(); ++b) {
    for (int64_t t = 0; t < c.shape.blocks[b]; ++t) {
      double score = 0;
      double norm = 0;
      for (int64_t d = 0; d < c.shape.head_dim; ++d) {
        const double term = static_cast<double>(c.q[head * c.q_stride + d]) *
                            c.keys[b].values[static_cast<size_t>(t * c.shape.head_dim + d)];
        score += term;
        norm += std::fabs(term);
      }
      scores.push_back(score);
      largest_norm = std::max(largest_norm, norm);
    }
  }
  if (kind != Scores::kRandom) return 0.0;
  return static_cast<double>(c.shape.head_dim) * kRoundoff * largest_norm;
}

void check_head(const AttentionCase& c, Scores kind, int64_t head, const Carried& carried,
                Check& check) {
  std::vector<double> scores;
  const double delta = exact_scores(c, kind, head, scores);
  const double largest = *std::max_element(scores.begin(), scores.end());
  check.near("maximum", head, 0, carried.maxima[head], largest, delta, std::fabs(largest));
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - largest);
  const double tokens = static_cast<double>(scores.size());
  // Differences of scores round, too: relative to their size, which exponentials turn absolute.
  const double spread =
      kind == Scores::kExtreme ? 100.0 : largest - *std::min_element(scores.begin(), scores.end());
  const double relative = 4 * delta + (tokens + 16 + spread) * kRoundoff;
  check.near("sum", head, 0, carried.sums[head], sum, relative * sum, sum);
  for (int64_t d = 0; d < c.shape.head_dim; ++d) {
    double expected = 0;
    double norm = 0;
    size_t index = 0;
    for (size_t b = 0; b < c.shape.blocks.size(); ++b) {
      for (int64_t t = 0; t < c.shape.blocks[b]; ++t, ++index) {
        const double term = std::exp(scores[index] - largest) *
                            c.values[b].values[static_cast<size_t>(t * c.shape.head_dim + d)];
        expected += term;
        norm += std::fabs(term);
      }
    }
    check.near("output", head, d, carried.output[head * c.shape.head_dim + d], expected,
               relative * norm, norm);
  }
}

/// Heads in other groups: where their number is no multiple of what a kernel takes at once, it must
/// be as right. (Not the same bits: the heads of a call are fixed by the model.)
void check_fewer_heads(const KernelSet& set, const AttentionCase& c, Scores kind, Edge edge,
                       Check& check, Random& random) {
  const Carried split(c.shape, edge);
  for (int64_t begin = 0; begin < c.shape.heads;) {
    const int64_t end = begin + random.integer(1, std::min<int64_t>(c.shape.heads - begin, 7));
    run_heads(set, c, begin, end, split);
    begin = end;
  }
  for (int64_t h = 0; h < c.shape.heads; ++h) check_head(c, kind, h, split, check);
  check.require(split.intact(), "wrote outside its output");
}

}  // namespace

void check_attend(const KernelSet& set, Check& check) {
  Random random(17);
  const AttentionShape shapes[] = {
      {1, 8, {1}},       {2, 16, {3, 2}},   {3, 20, {64}},      {4, 64, {64, 7}},
      {5, 33, {9}},      {7, 128, {5, 64}}, {8, 256, {64, 64}}, {8, 256, {64, 1, 30}},
      {9, 40, {17, 64}}, {16, 64, {33}},    {8, 256, {1}},
  };
  for (const AttentionShape& shape : shapes) {
    if (check.quick() && shape.heads * shape.head_dim > 1000) continue;
    for (const KvType type : {KvType::kF32, KvType::kBf16}) {
      for (const Scores scores : kScores) {
        check.start_case(fmt::format(
            "{} heads of {}, {} blocks, {}, {}", shape.heads, shape.head_dim, shape.blocks.size(),
            type == KvType::kF32 ? "f32" : "bf16", kScoreNames[static_cast<int>(scores)]));
        const Edge edge = random.coin() ? Edge::kEnd : Edge::kBegin;
        const AttentionCase c(shape, type, scores, edge, random);
        const Carried whole(shape, edge);
        run_heads(set, c, 0, shape.heads, whole);
        check.require(whole.intact(), "wrote outside its output");
        for (int64_t h = 0; h < shape.heads; ++h) check_head(c, scores, h, whole, check);
        check_fewer_heads(set, c, scores, edge, check, random);
      }
    }
  }
}

}  // namespace hearth::kernel_check
