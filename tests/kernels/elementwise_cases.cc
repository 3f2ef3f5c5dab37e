// Quantisation, norms and gates.
//
// Expected values are the formulas in double. Tolerances, in roundoffs u: a sum of n squares, all
// positive, is off by at most n/4·u in four lanes or more, its root by half of that; exponentials
// may be off by a few u, which e^−x carries into sigmoid unamplified.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/ladder.h"
#include "tests/kernels/cases.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {
namespace {

enum class Values : uint8_t {
  kNormal,
  kLarge,
  kSubnormal,
  kZero,
  kLastOnly,    // one outlier, at the very end
  kManyScales,  // magnitudes from 1e-30 to 1e10
};

constexpr Values kAllValues[] = {Values::kNormal, Values::kLarge,    Values::kSubnormal,
                                 Values::kZero,   Values::kLastOnly, Values::kManyScales};
constexpr const char* kValueNames[] = {"normal", "large",     "subnormal",
                                       "zero",   "last only", "many scales"};

constexpr int64_t kLengths[] = {1,  2,  7,  8,  9,   15,  16,  17,  23,   31,
                                32, 33, 63, 64, 127, 128, 129, 512, 2048, 4097};

/// Of sigmoid and silu, relative: two exponentials' worth of error and three roundings.
constexpr double kSigmoidError = 16 * kRoundoff;
/// Where e^−x is near the end of float's range, a sigmoid may be flushed to 0.
constexpr double kSigmoidFlush = 1e-37;
/// The largest error of a result that is subnormal.
constexpr double kSubnormalError = 1e-45;

float draw(Values values, bool last, Random& random) {
  switch (values) {
    case Values::kNormal: return random.normal();
    case Values::kLarge: return random.normal() * 1e12f;
    case Values::kSubnormal: return random.normal() * 1e-40f;
    case Values::kZero: return random.coin() ? 0.0f : -0.0f;
    case Values::kLastOnly: return last ? 1000.0f : random.normal() * 1e-3f;
    case Values::kManyScales:
      return random.normal() * static_cast<float>(std::pow(10.0, -30 + 40 * random.uniform()));
  }
  return 0;
}

Guarded<float> draw_values(int64_t n, Values values, Random& random) {
  Guarded<float> result(n, random.coin() ? Edge::kEnd : Edge::kBegin);
  for (int64_t i = 0; i < n; ++i) result[i] = draw(values, i + 1 == n, random);
  return result;
}

/// Gates: silu and sigmoid matter between −20 and 20, and must not fail beyond.
Guarded<float> draw_gates(int64_t n, Random& random) {
  constexpr float kExtremes[] = {0.0f, -0.0f, 88.5f, -88.5f, 104.0f, -104.0f, 1e9f, -1e9f, 1e-40f};
  Guarded<float> result(n, random.coin() ? Edge::kEnd : Edge::kBegin);
  for (float& x : result) {
    x = random.integer(0, 7) == 0 ? random.pick(kExtremes) : random.normal() * 5.0f;
  }
  return result;
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

void for_lengths(Check& check, const char* name,
                 const std::function<void(int64_t, Values, Random&)>& run) {
  Random random(static_cast<uint64_t>(name[0]) * 31 + static_cast<uint64_t>(name[1]));
  for (const int64_t n : kLengths) {
    if (check.quick() && n > 200) continue;
    for (const Values values : kAllValues) {
      check.start_case(fmt::format("{} values, {}", n, kValueNames[static_cast<int>(values)]));
      run(n, values, random);
    }
  }
}

/// y against expected(i) ± tolerance(i); nothing around y may be touched.
template <typename Expected, typename Tolerance>
void compare(const Guarded<float>& y, Check& check, const Expected& expected,
             const Tolerance& tolerance) {
  for (int64_t i = 0; i < y.size(); ++i) {
    const double exact = expected(i);
    check.near("y", 0, i, y[i], exact, tolerance(i), std::fabs(exact));
  }
  check.require(y.intact(), "wrote outside the output");
}

Guarded<float> copy(const Guarded<float>& source, Random& random) {
  Guarded<float> result(source.size(), random.coin() ? Edge::kEnd : Edge::kBegin);
  std::copy(source.begin(), source.end(), result.begin());
  return result;
}

/// In place is allowed, and must give the same bits.
void compare_in_place(const Guarded<float>& in_place, const Guarded<float>& y, Check& check) {
  for (int64_t i = 0; i < y.size(); ++i) check.same("in place y", 0, i, in_place[i], y[i]);
  check.require(in_place.intact(), "wrote outside the output in place");
}

double sum_of_squares(const Guarded<float>& x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

double norm_error(int64_t n) { return (static_cast<double>(n) / 8 + 16) * kRoundoff; }

}  // namespace

void check_rms_norm(const KernelSet& set, Check& check) {
  for_lengths(check, "rms", [&](int64_t n, Values values, Random& random) {
    constexpr float kEps = 1e-6f;
    Guarded<float> x = draw_values(n, values, random);
    Guarded<float> weight = draw_values(n, Values::kNormal, random);
    Guarded<float> y = copy(x, random);
    set.rms_norm(y.data(), weight.data(), n, kEps, y.data());
    x.seal();
    weight.seal();
    Guarded<float> apart(n, Edge::kEnd);
    set.rms_norm(x.data(), weight.data(), n, kEps, apart.data());
    const double inverse =
        1.0 / std::sqrt(sum_of_squares(x) / static_cast<double>(n) + static_cast<double>(kEps));
    const auto expected = [&](int64_t i) {
      return static_cast<double>(x[i]) * inverse * static_cast<double>(weight[i]);
    };
    compare(apart, check, expected,
            [&](int64_t i) { return norm_error(n) * std::fabs(expected(i)) + 1e-43; });
    compare_in_place(y, apart, check);
  });
}

void check_gated_rms_norm(const KernelSet& set, Check& check) {
  for_lengths(check, "gated", [&](int64_t n, Values values, Random& random) {
    constexpr float kEps = 1e-6f;
    Guarded<float> x = draw_values(n, values, random);
    Guarded<float> weight = draw_values(n, Values::kNormal, random);
    Guarded<float> gate = draw_gates(n, random);
    Guarded<float> y = copy(x, random);
    set.gated_rms_norm(y.data(), weight.data(), gate.data(), n, kEps, y.data());
    x.seal();
    weight.seal();
    gate.seal();
    Guarded<float> apart(n, Edge::kEnd);
    set.gated_rms_norm(x.data(), weight.data(), gate.data(), n, kEps, apart.data());
    const double inverse =
        1.0 / std::sqrt(sum_of_squares(x) / static_cast<double>(n) + static_cast<double>(kEps));
    const auto normed = [&](int64_t i) {
      return static_cast<double>(x[i]) * inverse * static_cast<double>(weight[i]);
    };
    const auto silu = [&](int64_t i) {
      const double g = static_cast<double>(gate[i]);
      return g * sigmoid(g);
    };
    compare(
        apart, check, [&](int64_t i) { return normed(i) * silu(i); },
        [&](int64_t i) {
          const double flush = std::fabs(normed(i) * static_cast<double>(gate[i])) * kSigmoidFlush;
          const double factors =
              (1 + std::fabs(static_cast<double>(weight[i]))) * (1 + std::fabs(silu(i)));
          return (norm_error(n) + kSigmoidError) * std::fabs(normed(i) * silu(i)) + flush +
                 4 * kSubnormalError * factors;
        });
    compare_in_place(y, apart, check);
  });
}

void check_l2_normalize(const KernelSet& set, Check& check) {
  for_lengths(check, "l2", [&](int64_t n, Values values, Random& random) {
    const float scale = random.coin() ? 1.0f : 0.08838835f;
    Guarded<float> x = draw_values(n, values, random);
    Guarded<float> y = copy(x, random);
    set.l2_normalize(y.data(), n, scale, y.data());
    x.seal();
    Guarded<float> apart(n, Edge::kEnd);
    set.l2_normalize(x.data(), n, scale, apart.data());
    const double factor = static_cast<double>(scale) / std::sqrt(sum_of_squares(x) + 1e-6);
    const auto expected = [&](int64_t i) { return static_cast<double>(x[i]) * factor; };
    compare(apart, check, expected,
            [&](int64_t i) { return norm_error(n) * std::fabs(expected(i)) + 1e-43; });
    compare_in_place(y, apart, check);
  });
}

void check_swiglu(const KernelSet& set, Check& check) {
  for_lengths(check, "swiglu", [&](int64_t n, Values values, Random& random) {
    Guarded<float> gate = draw_gates(n, random);
    Guarded<float> up = draw_values(n, values, random);
    Guarded<float> y = copy(gate, random);
    up.seal();
    set.swiglu(y.data(), up.data(), n);
    const auto expected = [&](int64_t i) {
      const double g = static_cast<double>(gate[i]);
      return g * sigmoid(g) * static_cast<double>(up[i]);
    };
    compare(y, check, expected, [&](int64_t i) {
      const double size = std::fabs(static_cast<double>(gate[i]) * static_cast<double>(up[i]));
      return kSigmoidError * std::fabs(expected(i)) + kSigmoidFlush * size + 1e-42;
    });
  });
}

void check_sigmoid_gate(const KernelSet& set, Check& check) {
  for_lengths(check, "gate", [&](int64_t n, Values values, Random& random) {
    Guarded<float> x = draw_values(n, values, random);
    Guarded<float> gate = draw_gates(n, random);
    Guarded<float> y = copy(x, random);
    gate.seal();
    set.sigmoid_gate(y.data(), gate.data(), n);
    const auto expected = [&](int64_t i) {
      return static_cast<double>(x[i]) * sigmoid(static_cast<double>(gate[i]));
    };
    compare(y, check, expected, [&](int64_t i) {
      const double size = std::fabs(static_cast<double>(x[i]));
      return kSigmoidError * std::fabs(expected(i)) + kSigmoidFlush * size + 1e-42;
    });
  });
}

void check_accumulate(const KernelSet& set, Check& check) {
  for_lengths(check, "accumulate", [&](int64_t n, Values values, Random& random) {
    constexpr float kScales[] = {1.0f, 0.0f, -0.37f, 1e-20f};
    const float scale = random.pick(kScales);
    Guarded<float> x = draw_values(n, values, random);
    Guarded<float> before = draw_values(n, Values::kNormal, random);
    Guarded<float> y = copy(before, random);
    x.seal();
    set.accumulate(x.data(), scale, n, y.data());
    const auto term = [&](int64_t i) {
      return static_cast<double>(scale) * static_cast<double>(x[i]);
    };
    compare(
        y, check, [&](int64_t i) { return static_cast<double>(before[i]) + term(i); },
        [&](int64_t i) {
          return 2 * kRoundoff * (std::fabs(term(i)) + std::fabs(static_cast<double>(before[i]))) +
                 1e-44;
        });
  });
}

namespace {

/// Codes, scales and sums have one right answer: the same bits as the reference.
void quantize_case(const KernelSet& set, Check& check, int64_t cols, int64_t block,
                   QuantLayout order, int64_t stride, const Guarded<float>& x) {
  const int64_t blocks = cols / block;
  struct Result {
    Guarded<int32_t> words;
    Guarded<float> scales;
    Guarded<int32_t> sums;
  };
  std::array<Result, 2> results;
  for (size_t i = 0; i < 2; ++i) {
    Result& r = results[i];
    r = {Guarded<int32_t>((cols / 4 - 1) * stride + 1, Edge::kEnd),
         Guarded<float>((blocks - 1) * stride + 1, Edge::kEnd),
         Guarded<int32_t>((blocks - 1) * stride + 1, Edge::kEnd)};
    // What lies between belongs to other tokens of the tile.
    std::fill(r.words.begin(), r.words.end(), 0x5A5A5A5A);
    std::fill(r.scales.begin(), r.scales.end(), unwritten());
    std::fill(r.sums.begin(), r.sums.end(), 0x5A5A5A5A);
    const KernelSet& kernels = i == 0 ? set : reference_kernels();
    kernels.quantize_activations(x.data(), cols, block, order, stride, r.words.data(),
                                 r.scales.data(), r.sums.data());
  }
  for (int64_t i = 0; i < results[0].words.size(); ++i) {
    if (results[0].words[i] == results[1].words[i]) continue;
    check.fail(fmt::format("word {} is {:08x}, expected {:08x}", i,
                           static_cast<uint32_t>(results[0].words[i]),
                           static_cast<uint32_t>(results[1].words[i])));
  }
  for (int64_t i = 0; i < results[0].scales.size(); ++i) {
    check.same("scale", 0, i, results[0].scales[i], results[1].scales[i]);
    check.require(results[0].sums[i] == results[1].sums[i], "a sum differs");
  }
  check.require(results[0].words.intact() && results[0].scales.intact() && results[0].sums.intact(),
                "wrote outside the output");
}

/// The codes mean what kernel_set.h says, seen from outside: within half a step of x.
void quantize_meaning(const KernelSet& set, Check& check, int64_t cols, int64_t block,
                      QuantLayout order, const Guarded<float>& x) {
  std::vector<int32_t> words(static_cast<size_t>(cols / 4));
  std::vector<float> scales(static_cast<size_t>(cols / block));
  std::vector<int32_t> sums(scales.size());
  set.quantize_activations(x.data(), cols, block, order, 1, words.data(), scales.data(),
                           sums.data());
  std::vector<int32_t> totals(sums.size());
  for (int64_t k = 0; k < cols; ++k) {
    const bool w4 = order == QuantLayout::kW4KPacked;
    const int64_t word = w4 ? k / 8 * 2 + k % 2 : k / 4;
    const int64_t byte = w4 ? k % 8 / 2 : k % 4;
    const uint32_t packed = static_cast<uint32_t>(words[static_cast<size_t>(word)]);
    const int code = static_cast<int8_t>(packed >> (8 * byte));
    const size_t b = static_cast<size_t>(k / block);
    totals[b] += code;
    const double scale = static_cast<double>(scales[b]);
    check.near("code·scale", 0, k, static_cast<float>(code * scale), static_cast<double>(x[k]),
               scale * (0.5 + 100 * kRoundoff) + 2e-30, 0.0);
    check.require(code >= -127, "code −128");
  }
  check.require(totals == sums, "a sum is not that of its codes");
}

}  // namespace

void check_quantize(const KernelSet& set, Check& check) {
  struct Size {
    int64_t cols;
    int64_t block;
  };
  constexpr Size kSizes[] = {{8, 8},     {32, 32},  {40, 8},    {64, 16},   {96, 32},
                             {128, 128}, {192, 64}, {512, 128}, {640, 128}, {2048, 128}};
  Random random(7);
  for (const Size& size : kSizes) {
    for (const Values values : kAllValues) {
      for (const QuantLayout order : {QuantLayout::kW4KPacked, QuantLayout::kW8KPacked}) {
        const int64_t stride = random.integer(1, kMaxTileTokens);
        check.start_case(fmt::format("{} values in blocks of {}, {}, {} order, stride {}",
                                     size.cols, size.block, kValueNames[static_cast<int>(values)],
                                     order == QuantLayout::kW4KPacked ? "w4" : "w8", stride));
        Guarded<float> x = draw_values(size.cols, values, random);
        if (random.coin()) {  // halves, which round to even, and a block of zeros
          for (int64_t i = 0; i < size.cols; ++i) {
            x[i] = static_cast<float>(random.integer(-253, 253)) * 0.5f;
          }
          for (int64_t i = 0; i < size.block; ++i) x[i] = 0.0f;
          if (size.cols > size.block) x[size.block] = 127.0f;
        }
        x.seal();
        quantize_case(set, check, size.cols, size.block, order, stride, x);
        quantize_meaning(set, check, size.cols, size.block, order, x);
      }
    }
  }
}

}  // namespace hearth::kernel_check
