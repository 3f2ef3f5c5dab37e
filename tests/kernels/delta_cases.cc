// The gated delta rule, recurrent and in chunks, against the recurrence in double.
//
// One token's reads are off by about √dk·u·(‖S‖ + |v|) per column, and so is the state after it.
// Later tokens do not amplify that: ‖k‖ = 1, 0 ≤ β ≤ 1 and decay ≤ 1 make every step a
// contraction. Over T tokens errors add up like √T; four times that is allowed, and as much again
// for the chunked form, whose triangular solve rounds on its own.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tests/kernels/cases.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {
namespace {

enum class Decay : uint8_t { kNone, kSlow, kFast, kForget, kMixed };
enum class Keys : uint8_t { kRandom, kOneHot, kSame };

constexpr Decay kDecays[] = {Decay::kNone, Decay::kSlow, Decay::kFast, Decay::kForget,
                             Decay::kMixed};
constexpr Keys kKeys[] = {Keys::kRandom, Keys::kOneHot, Keys::kSame};
constexpr const char* kDecayNames[] = {"no decay", "decay near 1", "decay 0.5", "decay 0", "mixed"};
constexpr const char* kKeyNames[] = {"random keys", "one-hot keys", "the same key"};

struct DeltaShape {
  int64_t tokens;
  int64_t key_dim;
  int64_t columns;
};

float draw_log_decay(Decay decay, Random& random) {
  switch (decay) {
    case Decay::kNone: return 0.0f;
    case Decay::kSlow: return static_cast<float>(-1e-6 * random.uniform());
    case Decay::kFast: return static_cast<float>(-0.3 - random.uniform());
    case Decay::kForget: return random.coin() ? -95.0f : -1e4f;
    case Decay::kMixed: return draw_log_decay(kDecays[random.integer(0, 3)], random);
  }
  return 0;
}

/// A row of length 1, then scaled.
void draw_direction(Keys keys, int64_t n, double scale, Random& random, float* row) {
  double squares = 0;
  const int64_t hot = random.integer(0, n - 1);
  Random repeated(n);
  for (int64_t d = 0; d < n; ++d) {
    row[d] = keys == Keys::kSame     ? repeated.normal()
             : keys == Keys::kOneHot ? (d == hot ? 1.0f : 0.0f)
                                     : random.normal();
    squares += static_cast<double>(row[d]) * static_cast<double>(row[d]);
  }
  for (int64_t d = 0; d < n; ++d) {
    row[d] = static_cast<float>(static_cast<double>(row[d]) * scale / std::sqrt(squares));
  }
}

int64_t state_size(const DeltaShape& shape) {
  return (shape.columns + kStateColumns - 1) / kStateColumns * kStateColumns * shape.key_dim;
}

int64_t state_index(const DeltaShape& shape, int64_t d, int64_t c) {
  return (c / kStateColumns * shape.key_dim + d) * kStateColumns + c % kStateColumns;
}

/// The inputs of a case, in guarded memory with gaps between rows, and what is expected.
struct DeltaCase {
  DeltaShape shape;
  int64_t qk_stride;
  int64_t v_stride;
  int64_t gate_stride;
  Guarded<float> q;
  Guarded<float> k;
  Guarded<float> v;
  Guarded<float> log_decay;
  Guarded<float> beta;
  std::vector<float> before;            // the state, as kernels hold it
  std::vector<double> expected_output;  // [tokens][columns]
  std::vector<double> expected_state;   // [key_dim][columns]
  std::vector<double> norm;             // [columns]: largest ‖S_c‖ + |v_c| of all tokens

  DeltaCase(const DeltaShape& s, Decay decay, Keys keys, Edge edge, Random& random)
      : shape(s),
        qk_stride(s.key_dim + random.integer(0, 5)),
        v_stride(s.columns + random.integer(0, 5)),
        gate_stride(random.integer(1, 4)),
        q((s.tokens - 1) * qk_stride + s.key_dim, edge),
        k(q.size(), edge),
        v((s.tokens - 1) * v_stride + s.columns, edge),
        log_decay((s.tokens - 1) * gate_stride + 1, edge),
        beta(log_decay.size(), edge) {
    draw(decay, keys, random);
    expect();
  }

  void draw(Decay decay, Keys keys, Random& random) {
    for (Guarded<float>* buffer : {&q, &k, &v, &log_decay, &beta}) {
      std::fill(buffer->begin(), buffer->end(), unwritten());
    }
    for (int64_t t = 0; t < shape.tokens; ++t) {
      draw_direction(keys, shape.key_dim, 1.0 / std::sqrt(static_cast<double>(shape.key_dim)),
                     random, &q[t * qk_stride]);
      draw_direction(keys, shape.key_dim, 1.0, random, &k[t * qk_stride]);
      for (int64_t c = 0; c < shape.columns; ++c) v[t * v_stride + c] = random.normal();
      log_decay[t * gate_stride] = draw_log_decay(decay, random);
      const int64_t kind = random.integer(0, 9);
      beta[t * gate_stride] = kind == 0   ? 0.0f
                              : kind == 1 ? 1.0f
                                          : static_cast<float>(random.uniform());
    }
    before.assign(static_cast<size_t>(state_size(shape)), 0.0f);
    for (int64_t d = 0; d < shape.key_dim; ++d) {
      for (int64_t c = 0; c < shape.columns; ++c) {
        before[static_cast<size_t>(state_index(shape, d, c))] = random.normal() * 0.3f;
      }
    }
    for (Guarded<float>* buffer : {&q, &k, &v, &log_decay, &beta}) buffer->seal();
  }

  void expect() {
    const size_t columns = static_cast<size_t>(shape.columns);
    expected_output.resize(static_cast<size_t>(shape.tokens) * columns);
    expected_state.resize(static_cast<size_t>(shape.key_dim) * columns);
    norm.resize(columns);
    for (int64_t c = 0; c < shape.columns; ++c) expect_column(c);
  }

  void expect_column(int64_t c) {
    std::vector<double> state(static_cast<size_t>(shape.key_dim));
    for (int64_t d = 0; d < shape.key_dim; ++d) {
      state[static_cast<size_t>(d)] =
          static_cast<double>(before[static_cast<size_t>(state_index(shape, d, c))]);
    }
    double largest = length(state);
    for (int64_t t = 0; t < shape.tokens; ++t) {
      const double decay = std::exp(static_cast<double>(log_decay[t * gate_stride]));
      const double value = static_cast<double>(v[t * v_stride + c]);
      for (double& s : state) s *= decay;
      const double delta =
          static_cast<double>(beta[t * gate_stride]) * (value - read(state, &k[t * qk_stride]));
      for (int64_t d = 0; d < shape.key_dim; ++d) {
        state[static_cast<size_t>(d)] += static_cast<double>(k[t * qk_stride + d]) * delta;
      }
      expected_output[static_cast<size_t>(t * shape.columns + c)] = read(state, &q[t * qk_stride]);
      largest = std::max(largest, length(state) + std::fabs(value));
    }
    for (int64_t d = 0; d < shape.key_dim; ++d) {
      expected_state[static_cast<size_t>(d * shape.columns + c)] = state[static_cast<size_t>(d)];
    }
    norm[static_cast<size_t>(c)] = largest;
  }

  static double length(const std::vector<double>& state) {
    double squares = 0;
    for (const double s : state) squares += s * s;
    return std::sqrt(squares);
  }

  static double read(const std::vector<double>& state, const float* row) {
    double sum = 0;
    for (size_t d = 0; d < state.size(); ++d) sum += state[d] * static_cast<double>(row[d]);
    return sum;
  }
};

/// State and output of one run of a kernel.
struct DeltaRun {
  int64_t stride;
  Guarded<float> state;
  Guarded<float> output;

  DeltaRun(const DeltaCase& c, Edge edge)
      : stride(c.shape.columns + 3),
        state(state_size(c.shape), edge),
        output((c.shape.tokens - 1) * stride + c.shape.columns, edge) {
    std::copy(c.before.begin(), c.before.end(), state.begin());
    std::fill(output.begin(), output.end(), unwritten());
  }

  /// Tokens [first, first + tokens), value columns [begin, end); begin starts a block.
  DeltaHead head(const DeltaCase& c, int64_t first, int64_t tokens, int64_t begin,
                 int64_t end) const {
    DeltaHead result;
    result.state = state.data() + begin * c.shape.key_dim;
    result.q = c.q.data() + first * c.qk_stride;
    result.k = c.k.data() + first * c.qk_stride;
    result.qk_stride = c.qk_stride;
    result.v = c.v.data() + first * c.v_stride + begin;
    result.v_stride = c.v_stride;
    result.output = output.data() + first * stride + begin;
    result.output_stride = stride;
    result.log_decay = c.log_decay.data() + first * c.gate_stride;
    result.beta = c.beta.data() + first * c.gate_stride;
    result.gate_stride = c.gate_stride;
    result.tokens = tokens;
    result.key_dim = c.shape.key_dim;
    result.columns = end - begin;
    result.next_state = state.data();
    return result;
  }
};

void check_values(const DeltaCase& c, const DeltaRun& run, double allowance, Check& check) {
  const double unit = allowance * kRoundoff * std::sqrt(static_cast<double>(c.shape.tokens)) *
                      (std::sqrt(static_cast<double>(c.shape.key_dim)) + 4);
  for (int64_t col = 0; col < c.shape.columns; ++col) {
    const double norm = c.norm[static_cast<size_t>(col)];
    for (int64_t t = 0; t < c.shape.tokens; ++t) {
      check.near("output", t, col, run.output[t * run.stride + col],
                 c.expected_output[static_cast<size_t>(t * c.shape.columns + col)], unit * norm,
                 norm);
    }
    for (int64_t d = 0; d < c.shape.key_dim; ++d) {
      check.near("state", d, col, run.state[state_index(c.shape, d, col)],
                 c.expected_state[static_cast<size_t>(d * c.shape.columns + col)], unit * norm,
                 norm);
    }
  }
}

void check_surroundings(const DeltaCase& c, const DeltaRun& run, Check& check) {
  check.require(run.state.intact(), "wrote outside the state");
  check.require(run.output.intact(), "wrote outside the output");
  for (int64_t i = 0; i < run.output.size(); ++i) {
    if (i % run.stride >= c.shape.columns && !is_unwritten(run.output[i])) {
      check.fail("wrote between the rows of the output");
      break;
    }
  }
  const int64_t padded = state_size(c.shape) / c.shape.key_dim;
  for (int64_t d = 0; d < c.shape.key_dim; ++d) {
    for (int64_t col = c.shape.columns; col < padded; ++col) {
      if (run.state[state_index(c.shape, d, col)] != 0.0f) {
        return check.fail("columns of the state that do not exist are not 0");
      }
    }
  }
}

void compare_bits(const DeltaCase& c, const DeltaRun& split, const DeltaRun& whole, Check& check) {
  for (int64_t t = 0; t < c.shape.tokens; ++t) {
    for (int64_t col = 0; col < c.shape.columns; ++col) {
      check.same("split output", t, col, split.output[t * split.stride + col],
                 whole.output[t * whole.stride + col]);
    }
  }
  for (int64_t i = 0; i < whole.state.size(); ++i) {
    check.same("split state", 0, i, split.state[i], whole.state[i]);
  }
}

/// run(head, tokens) for pieces of whole blocks of columns; of tokens, too, if they may be split.
template <typename Run>
void run_pieces(const DeltaCase& c, const DeltaRun& split, bool split_tokens, Random& random,
                const Run& run) {
  for (int64_t begin = 0; begin < c.shape.columns;) {
    const int64_t blocks = random.integer(1, 3);
    const int64_t end = std::min(begin + blocks * kStateColumns, c.shape.columns);
    for (int64_t first = 0; first < c.shape.tokens;) {
      const int64_t left = c.shape.tokens - first;
      const int64_t tokens = split_tokens ? random.integer(1, std::min<int64_t>(left, 9)) : left;
      run(split.head(c, first, tokens, begin, end));
      first += tokens;
    }
    begin = end;
  }
}

template <typename Run>
void for_cases(Check& check, bool chunked, const Run& run_kernel) {
  Random random(chunked ? 14 : 13);
  constexpr DeltaShape kSizes[] = {{1, 128, 128}, {2, 16, 16},    {3, 33, 20},
                                   {5, 128, 32},  {63, 64, 48},   {64, 32, 5},
                                   {65, 128, 32}, {130, 128, 16}, {130, 20, 40}};
  for (const DeltaShape& shape : kSizes) {
    if (check.quick() && shape.tokens > 65) continue;
    for (const Decay decay : kDecays) {
      for (const Keys keys : kKeys) {
        check.start_case(fmt::format(
            "{} tokens, key_dim {}, {} columns, {}, {}", shape.tokens, shape.key_dim, shape.columns,
            kDecayNames[static_cast<int>(decay)], kKeyNames[static_cast<int>(keys)]));
        const Edge edge = random.coin() ? Edge::kEnd : Edge::kBegin;
        const DeltaCase c(shape, decay, keys, edge, random);
        const DeltaRun whole(c, edge);
        run_kernel(whole.head(c, 0, shape.tokens, 0, shape.columns));
        check_values(c, whole, chunked ? 8 : 4, check);
        check_surroundings(c, whole, check);
        const DeltaRun split(c, edge);
        run_pieces(c, split, !chunked, random, run_kernel);
        check_surroundings(c, split, check);
        compare_bits(c, split, whole, check);
      }
    }
  }
}

/// Gates of values around 0, where log(1 + e^x) bends, and of values far out.
void run_gates(const KernelSet& set, int64_t tokens, Check& check, Random& random) {
  constexpr float kExtremes[] = {0.0f, 20.0f, 89.0f, -80.0f, -120.0f, 1e9f, -1e9f, 1e-40f};
  const int64_t stride = random.integer(1, 5);
  const Edge edge = random.coin() ? Edge::kEnd : Edge::kBegin;
  Guarded<float> a((tokens - 1) * stride + 1, edge);
  Guarded<float> b(a.size(), edge);
  for (Guarded<float>* buffer : {&a, &b}) {
    for (float& x : *buffer) {
      x = random.integer(0, 5) == 0 ? random.pick(kExtremes) : random.normal() * 5.0f;
    }
    buffer->seal();
  }
  const float rate = -static_cast<float>(random.uniform() * 16);
  const float bias = random.normal();
  const Guarded<float> log_decay(tokens, edge);
  const Guarded<float> beta(tokens, edge);
  const auto run = [&](int64_t first, int64_t count) {
    set.delta_gates({a.data() + first * stride, b.data() + first * stride, stride, rate, bias,
                     count, log_decay.data() + first, beta.data() + first});
  };
  run(0, tokens);
  for (int64_t t = 0; t < tokens; ++t) {
    const double x = static_cast<double>(a[t * stride] + bias);
    const double decay =
        static_cast<double>(rate) * (std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))));
    const double share = 1 / (1 + std::exp(-static_cast<double>(b[t * stride])));
    // e^x and a few roundings; what is subnormal may become 0.
    check.near("g", 0, t, log_decay[t], decay, 16 * kRoundoff * std::fabs(decay) + 1e-36,
               std::fabs(decay));
    check.near("beta", 0, t, beta[t], share, 16 * kRoundoff * share + 1e-37, 1.0);
  }
  const std::vector<float> whole_decay(log_decay.begin(), log_decay.end());
  const std::vector<float> whole_beta(beta.begin(), beta.end());
  for (int64_t first = 0; first < tokens;) {
    const int64_t count = random.integer(1, tokens - first);
    run(first, count);
    first += count;
  }
  for (int64_t t = 0; t < tokens; ++t) {
    check.same("split g", 0, t, log_decay[t], whole_decay[static_cast<size_t>(t)]);
    check.same("split beta", 0, t, beta[t], whole_beta[static_cast<size_t>(t)]);
  }
  check.require(log_decay.intact() && beta.intact(), "wrote outside the output");
}

}  // namespace

void check_delta_gates(const KernelSet& set, Check& check) {
  Random random(15);
  for (const int64_t tokens : {1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 200}) {
    for (int i = 0; i < 4; ++i) {
      check.start_case(fmt::format("{} tokens, draw {}", tokens, i));
      run_gates(set, tokens, check, random);
    }
  }
}

void check_delta_recurrent(const KernelSet& set, Check& check) {
  for_cases(check, false, [&](const DeltaHead& head) { set.delta_recurrent(head); });
}

void check_delta_chunked(const KernelSet& set, Check& check) {
  for_cases(check, true, [&](const DeltaHead& head) {
    const Guarded<float> scratch(delta_chunk_scratch(head.key_dim, head.columns), Edge::kEnd);
    set.delta_chunked(head, scratch.data());
    check.require(scratch.intact(), "wrote outside the scratch");
  });
}

}  // namespace hearth::kernel_check
