// Attention over the pages of a context, against a softmax in double.
//
// Most cases have small integers for q and k: scores are exact then, however they are added, and
// what is left is the rounding of exponentials (up to 8 u, and another u per page) and of sums of
// T terms, at most (T + 16)·u relative to Σw and to Σ w·|v|. Where q and k are random, a score is
// off by at most δ = D·u·Σ|q·k|, which is a factor of 1 ± 2δ on every weight. Weights for bf16
// pages are rounded to 8 bits, an error of at most 2^−8, and twice for outputs with scales.
//
// Tokens of a page that no query sees hold numbers, too, which must not show.
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

enum class Pages : uint8_t { kF32, kBf16, kScaled };

constexpr const char* kPageNames[] = {"f32", "bf16", "bf16 with scales"};

struct AttentionShape {
  int64_t heads;
  int64_t head_dim;
  int64_t before;  // tokens before the first query
  int64_t queries;

  int64_t tokens() const { return before + queries; }
  int64_t rows() const { return queries * heads; }
  int64_t pages() const { return (tokens() + kKvPageTokens - 1) / kKvPageTokens; }
};

/// Numbers in memory as floats or bf16, and in double.
struct Numbers {
  Guarded<float> floats;
  Guarded<uint16_t> halves;
  std::vector<double> values;

  Numbers(int64_t count, Pages pages, Edge edge) : values(static_cast<size_t>(count)) {
    if (pages == Pages::kF32) floats = Guarded<float>(count, edge);
    else halves = Guarded<uint16_t>(count, edge);
  }

  /// Sets number `index`, which lies at `place`.
  void set(int64_t index, int64_t place, float value) {
    if (floats.size()) {
      floats[place] = value;
    } else {
      halves[place] = float_to_bf16(value);
      value = bf16_to_float(halves[place]);
    }
    values[static_cast<size_t>(index)] = static_cast<double>(value);
  }
  double at(int64_t index) const { return values[static_cast<size_t>(index)]; }
  void seal() {
    if (floats.size()) floats.seal();
    else halves.seal();
  }
  /// From number `index` on, where numbers lie in order.
  const void* data(int64_t index) const {
    if (floats.size()) return floats.data() + index;
    return halves.data() + index;
  }
};

struct Page {
  Numbers keys;
  Numbers values;
  Guarded<float> key_scales;
  Guarded<float> value_scales;

  Page(int64_t head_dim, Pages pages, Edge edge)
      : keys(kKvPageTokens * head_dim, pages, edge),
        values(kKvPageTokens * head_dim, pages, edge),
        key_scales(kKvPageTokens, edge),
        value_scales(kKvPageTokens, edge) {}
};

struct AttentionCase {
  AttentionShape shape;
  Pages kind;
  Scores scores;
  Numbers q;
  std::vector<Page> pages;

  AttentionCase(const AttentionShape& s, Pages of, Scores how, Edge edge, Random& random)
      : shape(s), kind(of), scores(how), q(s.rows() * s.head_dim, of, edge) {
    for (int64_t i = 0; i < s.rows() * s.head_dim; ++i) q.set(i, i, draw_q(random));
    q.seal();
    for (int64_t p = 0; p < s.pages(); ++p) fill(pages.emplace_back(s.head_dim, of, edge), random);
  }

  void fill(Page& page, Random& random) const {
    const int64_t dims = shape.head_dim;
    for (int64_t t = 0; t < kKvPageTokens; ++t) {
      for (int64_t d = 0; d < dims; ++d) {
        const int64_t index = t * dims + d;
        const int64_t packed = kind == Pages::kF32 ? 1 : 2;  // elements next to each other
        const int64_t key_place = (d / packed * kKvPageTokens + t) * packed + d % packed;
        const int64_t value_place = (t / packed * dims + d) * packed + t % packed;
        page.keys.set(index, key_place, draw_k(random));
        page.values.set(index, value_place, random.normal());
      }
      page.key_scales[t] = scores == Scores::kEqual ? 0.5f : random.coin() ? 0.5f : 2.0f;
      page.value_scales[t] = static_cast<float>(random.uniform()) + 0.1f;
    }
    page.keys.seal();
    page.values.seal();
  }

  float draw_q(Random& random) const {
    const float integer = static_cast<float>(random.integer(-4, 4));
    switch (scores) {
      case Scores::kSmall: return integer * 0x1p-6f;
      case Scores::kExtreme: return integer * 4.0f;
      case Scores::kEqual: return integer;
      case Scores::kRandom: return random.normal() * 0.1f;
    }
    return 0;
  }

  float draw_k(Random& random) const {
    if (scores == Scores::kRandom) return random.normal();
    return scores == Scores::kEqual ? 1.0f : static_cast<float>(random.integer(-6, 6));
  }

  const Page& page_of(int64_t token) const {
    return pages[static_cast<size_t>(token / kKvPageTokens)];
  }
  double key(int64_t token, int64_t d) const {
    const int64_t t = token % kKvPageTokens;
    const double scale =
        kind == Pages::kScaled ? static_cast<double>(page_of(token).key_scales[t]) : 1.0;
    return scale * page_of(token).keys.at(t * shape.head_dim + d);
  }
  double value(int64_t token, int64_t d) const {
    const int64_t t = token % kKvPageTokens;
    const double scale =
        kind == Pages::kScaled ? static_cast<double>(page_of(token).value_scales[t]) : 1.0;
    return scale * page_of(token).values.at(t * shape.head_dim + d);
  }
};

/// What is carried from page to page.
struct Carried {
  Guarded<float> maxima;
  Guarded<float> sums;
  Guarded<float> output;

  Carried(const AttentionShape& shape, Edge edge)
      : maxima(shape.rows(), edge),
        sums(shape.rows(), edge),
        output(shape.rows() * shape.head_dim, edge) {
    std::fill(maxima.begin(), maxima.end(), -INFINITY);
    std::fill(sums.begin(), sums.end(), 0.0f);
    std::fill(output.begin(), output.end(), 0.0f);
  }

  bool intact() const { return maxima.intact() && sums.intact() && output.intact(); }
};

/// All pages, queries [begin, end), of which those before a page take no part in it.
void run_queries(const KernelSet& set, const AttentionCase& c, int64_t begin, int64_t end,
                 const Carried& carried) {
  const AttentionShape& shape = c.shape;
  for (int64_t p = 0; p < shape.pages(); ++p) {
    const int64_t first = std::max(begin, p * kKvPageTokens - shape.before);
    if (first >= end) break;
    const Page& page = c.pages[static_cast<size_t>(p)];
    const int64_t row = first * shape.heads;
    AttentionBlock block;
    block.q = c.q.data(row * shape.head_dim);
    block.keys = page.keys.data(0);
    block.values = page.values.data(0);
    if (c.kind == Pages::kScaled) {
      block.key_scales = page.key_scales.data();
      block.value_scales = page.value_scales.data();
    }
    block.visible = shape.before + first + 1 - p * kKvPageTokens;
    block.queries = end - first;
    block.heads = shape.heads;
    block.head_dim = shape.head_dim;
    block.maxima = carried.maxima.data() + row;
    block.sums = carried.sums.data() + row;
    block.output = carried.output.data() + row * shape.head_dim;
    if (c.kind == Pages::kF32) set.attend_f32(block);
    else set.attend_bf16(block);
  }
}

/// One row's scores of the tokens that it sees; returns δ.
double exact_scores(const AttentionCase& c, int64_t row, std::vector<double>& scores) {
  double largest_norm = 0;
  for (int64_t t = 0; t <= c.shape.before + row / c.shape.heads; ++t) {
    double score = 0;
    double norm = 0;
    for (int64_t d = 0; d < c.shape.head_dim; ++d) {
      const double term = c.q.at(row * c.shape.head_dim + d) * c.key(t, d);
      score += term;
      norm += std::fabs(term);
    }
    scores.push_back(score);
    largest_norm = std::max(largest_norm, norm);
  }
  if (c.scores != Scores::kRandom) return 0.0;
  return static_cast<double>(c.shape.head_dim) * kRoundoff * largest_norm;
}

void check_row(const AttentionCase& c, int64_t row, const Carried& carried, Check& check) {
  std::vector<double> scores;
  const double delta = exact_scores(c, row, scores);
  const double largest = *std::max_element(scores.begin(), scores.end());
  check.near("maximum", row, 0, carried.maxima[row], largest, delta, std::fabs(largest));
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - largest);
  const double tokens = static_cast<double>(scores.size());
  // Differences of scores round, too: relative to their size, which exponentials turn absolute.
  const double spread = c.scores == Scores::kExtreme
                            ? 100.0
                            : largest - *std::min_element(scores.begin(), scores.end());
  const double rounded = c.kind == Pages::kF32 ? 0.0 : 0x1p-8;
  const double floats = 4 * delta + (2 * tokens + 16 + spread) * kRoundoff;
  check.near("sum", row, 0, carried.sums[row], sum, (floats + rounded) * sum, sum);
  const double relative = floats + (c.kind == Pages::kScaled ? 2.01 : 1.0) * rounded;
  for (int64_t d = 0; d < c.shape.head_dim; ++d) {
    double expected = 0;
    double norm = 0;
    for (size_t t = 0; t < scores.size(); ++t) {
      const double term = std::exp(scores[t] - largest) * c.value(static_cast<int64_t>(t), d);
      expected += term;
      norm += std::fabs(term);
    }
    check.near("output", row, d, carried.output[row * c.shape.head_dim + d], expected,
               relative * norm + 1e-30, norm);
  }
}

/// A query must have the same bits whichever queries share its calls.
void check_other_groups(const KernelSet& set, const AttentionCase& c, const Carried& whole,
                        Edge edge, Check& check, Random& random) {
  const Carried split(c.shape, edge);
  for (int64_t begin = 0; begin < c.shape.queries;) {
    const int64_t end = begin + random.integer(1, std::min<int64_t>(c.shape.queries - begin, 5));
    run_queries(set, c, begin, end, split);
    begin = end;
  }
  for (int64_t row = 0; row < c.shape.rows(); ++row) {
    check.same("sum", row, 0, split.sums[row], whole.sums[row]);
    for (int64_t d = 0; d < c.shape.head_dim; ++d) {
      const int64_t i = row * c.shape.head_dim + d;
      check.same("output", row, d, split.output[i], whole.output[i]);
    }
  }
  check.require(split.intact(), "wrote outside its output");
}

void check_pages(const KernelSet& set, Pages pages, Check& check) {
  Random random(17);
  const AttentionShape shapes[] = {{1, 8, 0, 1},    {2, 16, 5, 2},   {3, 20, 63, 2},
                                   {4, 64, 62, 5},  {5, 34, 9, 3},   {7, 128, 60, 9},
                                   {8, 256, 64, 2}, {8, 256, 0, 7},  {8, 256, 150, 1},
                                   {9, 40, 17, 16}, {16, 64, 0, 70}, {8, 72, 120, 16}};
  for (const AttentionShape& shape : shapes) {
    if (check.quick() && shape.rows() * shape.head_dim > 1000) continue;
    for (const Scores scores : kScores) {
      check.start_case(fmt::format("{} queries, {} heads of {}, after {}, {}, {}", shape.queries,
                                   shape.heads, shape.head_dim, shape.before,
                                   kPageNames[static_cast<int>(pages)],
                                   kScoreNames[static_cast<int>(scores)]));
      const Edge edge = random.coin() ? Edge::kEnd : Edge::kBegin;
      const AttentionCase c(shape, pages, scores, edge, random);
      const Carried whole(shape, edge);
      run_queries(set, c, 0, shape.queries, whole);
      check.require(whole.intact(), "wrote outside its output");
      for (int64_t row = 0; row < shape.rows(); ++row) check_row(c, row, whole, check);
      check_other_groups(set, c, whole, edge, check, random);
    }
  }
}

}  // namespace

void check_attend_f32(const KernelSet& set, Check& check) { check_pages(set, Pages::kF32, check); }

void check_attend_bf16(const KernelSet& set, Check& check) {
  check_pages(set, Pages::kBf16, check);
  check_pages(set, Pages::kScaled, check);
}

void check_widen_int8(const KernelSet& set, Check& check) {
  for (const int64_t count : {1, 7, 16, 33, 256, 16384}) {
    check.start_case(fmt::format("{} values", count));
    const Edge edge = count % 2 == 0 ? Edge::kEnd : Edge::kBegin;
    Guarded<int8_t> codes(count, edge);
    for (int64_t i = 0; i < count; ++i) codes[i] = static_cast<int8_t>(i * 5 - 128);
    codes.seal();
    Guarded<uint16_t> halves(count, edge);
    std::fill(halves.begin(), halves.end(), uint16_t{0x7FA5});
    set.widen_int8(codes.data(), count, halves.data());
    for (int64_t i = 0; i < count; ++i) {
      check.same("half", 0, i, bf16_to_float(halves[i]), static_cast<float>(codes[i]));
    }
    check.require(halves.intact(), "wrote outside its output");
  }
}

}  // namespace hearth::kernel_check
