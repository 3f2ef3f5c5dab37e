// The causal convolution with SiLU.
//
// The sum of `taps` products is off by at most (taps + 1)·u·Σ|w·u|; silu's slope is at most 1.1.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/cases.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {
namespace {

struct ConvShape {
  int64_t tokens;
  int64_t channels;
  int taps;
};

/// Rows of `channels` values, `stride` apart; between them canaries.
struct Rows {
  int64_t count;
  int64_t channels;
  int64_t stride;
  Guarded<float> values;

  Rows(int64_t row_count, int64_t channel_count, int64_t row_stride, Edge edge)
      : count(row_count),
        channels(channel_count),
        stride(row_stride),
        values(row_count ? (row_count - 1) * row_stride + channel_count : 0, edge) {
    std::fill(values.begin(), values.end(), unwritten());
  }

  float* data() const { return values.data(); }
  float& at(int64_t row, int64_t channel) const { return values[row * stride + channel]; }
  void randomize(float scale, Random& random) const {
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t c = 0; c < channels; ++c) at(r, c) = random.normal() * scale;
    }
  }
  void copy_from(const Rows& other) const {
    std::copy(other.values.begin(), other.values.end(), values.begin());
  }
  void check_gaps(const char* what, Check& check) const {
    check.require(values.intact(), what);
    for (int64_t i = 0; i < values.size(); ++i) {
      if (i % stride >= channels && !is_unwritten(values[i])) return check.fail(what);
    }
  }
};

void compare_bits(const char* what, const Rows& actual, const Rows& expected, Check& check) {
  for (int64_t r = 0; r < actual.count; ++r) {
    for (int64_t c = 0; c < actual.channels; ++c) {
      check.same(what, r, c, actual.at(r, c), expected.at(r, c));
    }
  }
}

/// All buffers of a case; outputs and histories of the whole call and of the split one.
struct ConvCase {
  ConvShape shape;
  Rows input;
  Rows weights;
  Rows before;  // the history that the call finds
  Rows history;
  Rows output;
  Rows split_history;
  Rows split_output;

  ConvCase(const ConvShape& s, Edge edge, Random& random)
      : shape(s),
        input(s.tokens, s.channels, s.channels + random.integer(0, 9), edge),
        weights(s.taps, s.channels, s.channels + random.integer(0, 9), edge),
        before(s.taps - 1, s.channels, weights.stride, edge),
        history(s.taps - 1, s.channels, weights.stride, edge),
        output(s.tokens, s.channels, s.channels + random.integer(0, 9), edge),
        split_history(s.taps - 1, s.channels, weights.stride, edge),
        split_output(s.tokens, s.channels, output.stride, edge) {
    input.randomize(random.integer(0, 3) == 0 ? 40.0f : 1.0f, random);
    weights.randomize(1.0f, random);
    before.randomize(1.0f, random);
    input.values.seal();
    weights.values.seal();
    history.copy_from(before);
    split_history.copy_from(before);
  }

  /// Tokens [first, first + tokens) of channels [begin, end).
  ConvRun run(int64_t first, int64_t tokens, int64_t begin, int64_t end, const Rows& past,
              const Rows& y) const {
    ConvRun result;
    result.input = input.data() + first * input.stride + begin;
    result.input_stride = input.stride;
    result.weights = weights.data() + begin;
    result.weight_stride = weights.stride;
    result.history = past.data() + begin;
    result.output = y.data() + first * y.stride + begin;
    result.output_stride = y.stride;
    result.tokens = tokens;
    result.channels = end - begin;
    result.taps = shape.taps;
    return result;
  }

  /// Input of token t; before the segment, the history.
  float past_input(int64_t t, int64_t c) const {
    return t < 0 ? before.at(t + shape.taps - 1, c) : input.at(t, c);
  }
};

void check_whole(const ConvCase& c, Check& check) {
  const int past = c.shape.taps - 1;
  for (int64_t t = 0; t < c.shape.tokens; ++t) {
    for (int64_t i = 0; i < c.shape.channels; ++i) {
      double sum = 0;
      double norm = 0;
      for (int j = 0; j < c.shape.taps; ++j) {
        const double term = static_cast<double>(c.weights.at(j, i)) *
                            static_cast<double>(c.past_input(t - past + j, i));
        sum += term;
        norm += std::fabs(term);
      }
      const double y = sum / (1.0 + std::exp(-sum));
      check.near("y", t, i, c.output.at(t, i), y,
                 (1.1 * (c.shape.taps + 1) * norm + 16 * std::fabs(y)) * kRoundoff + 1e-35, norm);
    }
  }
  for (int64_t i = 0; i < past; ++i) {
    for (int64_t ch = 0; ch < c.shape.channels; ++ch) {
      check.same("history", i, ch, c.history.at(i, ch),
                 c.past_input(c.shape.tokens - past + i, ch));
    }
  }
}

/// The same in pieces: some channels, then some tokens, at a time.
void run_split(const KernelSet& set, const ConvCase& c, Random& random) {
  for (int64_t begin = 0; begin < c.shape.channels;) {
    const int64_t end = begin + random.integer(1, c.shape.channels - begin);
    for (int64_t first = 0; first < c.shape.tokens;) {
      const int64_t left = c.shape.tokens - first;
      const int64_t tokens = random.integer(1, std::min<int64_t>(left, 5));
      set.conv_silu(c.run(first, tokens, begin, end, c.split_history, c.split_output));
      first += tokens;
    }
    begin = end;
  }
}

void run_case(const KernelSet& set, const ConvShape& shape, Check& check, Random& random) {
  const ConvCase c(shape, random.coin() ? Edge::kEnd : Edge::kBegin, random);
  set.conv_silu(c.run(0, shape.tokens, 0, shape.channels, c.history, c.output));
  check_whole(c, check);
  run_split(set, c, random);
  compare_bits("split y", c.split_output, c.output, check);
  compare_bits("split history", c.split_history, c.history, check);
  for (const Rows* rows : {&c.output, &c.split_output}) {
    rows->check_gaps("wrote outside the output", check);
  }
  for (const Rows* rows : {&c.history, &c.split_history}) {
    rows->check_gaps("wrote outside the history", check);
  }
}

}  // namespace

void check_conv_silu(const KernelSet& set, Check& check) {
  Random random(11);
  for (const int taps : {2, 3, 4}) {
    for (const int64_t tokens : {1, 2, 3, 4, 5, 17, 130}) {
      for (const int64_t channels : {1, 7, 8, 16, 19, 64, 130}) {
        if (check.quick() && tokens * channels > 500) continue;
        check.start_case(fmt::format("{} tokens, {} channels, {} taps", tokens, channels, taps));
        run_case(set, {tokens, channels, taps}, check, random);
      }
    }
  }
}

}  // namespace hearth::kernel_check
