#include "engine/distribution.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace hearth {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// e^x · 2^bits, rounded, for x <= 0. This file is compiled without contraction to fused
/// multiplications, which would round otherwise.
inline uint64_t exponential(double x, int bits) {
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  constexpr double kLn2High = 0x1.62e42fefa3800p-1;  // products with small integers are exact
  constexpr double kLn2Low = 0x1.ef35793c76730p-45;
  constexpr double kToInteger = 0x1.8p52;  // added, it leaves the integer in the lowest bits
  constexpr uint64_t kMantissa = (uint64_t{1} << 52) - 1;
  x = x > -32 ? x : -32;  // e^-32 · 2^44 is rounded to 0 as well
  const double shifted = x * kLog2E + kToInteger;
  const double n = shifted - kToInteger;
  const double r = (x - n * kLn2High) - n * kLn2Low;  // |r| <= ln 2 / 2
  // Taylor's series; what is left out is below 2^-46.
  double sum = 1.0 / 39916800;
  sum = sum * r + 1.0 / 3628800;
  sum = sum * r + 1.0 / 362880;
  sum = sum * r + 1.0 / 40320;
  sum = sum * r + 1.0 / 5040;
  sum = sum * r + 1.0 / 720;
  sum = sum * r + 1.0 / 120;
  sum = sum * r + 1.0 / 24;
  sum = sum * r + 1.0 / 6;
  sum = sum * r + 0.5;
  sum = sum * r + 1;
  sum = sum * r + 1;
  const uint64_t exponent = std::bit_cast<uint64_t>(shifted) + 1023 + static_cast<uint64_t>(bits);
  const double value = sum * std::bit_cast<double>(exponent << 52);  // 2^(n + bits)
  return std::bit_cast<uint64_t>(value + 0x1p52) & kMantissa;
}

/// Logit to weight.
struct Softmax {
  Softmax(float largest, double temperature, int bits)
      : largest_(largest), inverse_(std::min(1 / temperature, 1e300)), bits_(bits) {}

  uint64_t weight(float logit) const {
    return exponential((static_cast<double>(logit) - largest_) * inverse_, bits_);
  }

 private:
  double largest_;
  double inverse_;  // finite, since 0 · inf is not a number
  int bits_;
};

/// Uniform below `end`, exactly: the standard library's distributions differ by vendor.
uint64_t uniform_below(uint64_t end, std::mt19937_64& random) {
  const uint64_t uneven = (0 - end) % end;  // 2^64 modulo end
  for (;;) {
    const uint64_t bits = random();
    if (bits >= uneven) return bits % end;
  }
}

constexpr auto kLikelier = [](const auto& a, const auto& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
};
constexpr auto kById = [](const auto& a, const auto& b) { return a.token < b.token; };

}  // namespace

float largest_logit(std::span<const float> logits) noexcept {
  // In lanes that are independent of each other, so that compilers use vectors.
  constexpr size_t kLanes = 32;
  std::array<float, kLanes> lanes;
  lanes.fill(kNever);
  const size_t whole = logits.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      lanes[j] = logits[i + j] > lanes[j] ? logits[i + j] : lanes[j];
    }
  }
  float largest = *std::max_element(lanes.begin(), lanes.end());
  for (const float logit : logits.subspan(whole)) largest = logit > largest ? logit : largest;
  return largest;
}

Distribution::Distribution(int64_t vocab_size)
    // The sum of all weights has to stay below 2^63.
    : weight_bits_(
          std::min(44, 63 - static_cast<int>(std::bit_width(static_cast<uint64_t>(vocab_size))))),
      weights_(static_cast<size_t>(vocab_size)),
      candidates_(static_cast<size_t>(vocab_size)) {}

void Distribution::assign(std::span<const float> logits, float largest,
                          double temperature) noexcept {
  const Softmax softmax(largest, temperature, weight_bits_);
  logits_ = logits;
  for (size_t i = 0; i < logits.size(); ++i) weights_[i] = softmax.weight(logits[i]);
  total_ = std::accumulate(weights_.begin(), weights_.end(), uint64_t{0});
  gathered_ = false;
}

/// Makes candidates of the tokens whose weight is above the bound, unless there are candidates
/// already: the first filter can tell that most of a vocabulary will not pass.
void Distribution::gather(uint64_t bound) noexcept {
  if (gathered_) return;
  count_ = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] <= bound) continue;
    candidates_[count_++] = {weights_[i], logits_[i], static_cast<int32_t>(i)};
  }
  gathered_ = true;
  in_order_ = true;
}

void Distribution::assign_top_k(std::span<const float> logits, float largest, double temperature,
                                int64_t k) noexcept {
  const size_t wanted = std::min(static_cast<size_t>(k), logits.size());
  const size_t room = std::min(2 * wanted + 64, candidates_.size());
  // Candidates are collected among the logits above `bound`. When there is no more room, the best
  // stay, and the least of them is the new bound; a later equal has a higher id, and loses.
  float bound = kNever;
  count_ = 0;
  const auto begin = candidates_.begin();
  const auto select = [&] {
    std::nth_element(begin, begin + static_cast<ptrdiff_t>(wanted - 1),
                     begin + static_cast<ptrdiff_t>(count_), kLikelier);
    count_ = wanted;
    bound = candidates_[wanted - 1].logit;
  };
  constexpr size_t kBlock = 64;
  for (size_t block = 0; block < logits.size(); block += kBlock) {
    const size_t end = std::min(block + kBlock, logits.size());
    unsigned above = 0;
    for (size_t i = block; i < end; ++i) above |= logits[i] > bound ? 1u : 0u;
    if (above == 0) continue;
    for (size_t i = block; i < end; ++i) {
      if (!(logits[i] > bound)) continue;
      if (count_ == room) select();
      if (logits[i] > bound) candidates_[count_++] = {0, logits[i], static_cast<int32_t>(i)};
    }
  }
  if (count_ > wanted) select();
  const Softmax softmax(largest, temperature, weight_bits_);
  for (size_t i = 0; i < count_; ++i) candidates_[i].weight = softmax.weight(candidates_[i].logit);
  gathered_ = true;
  in_order_ = false;
  keep_first(count_);
}

/// How many candidates it takes, in the order of `less`, until their weights reach the target;
/// these are put first. Halves what is left at each step, in linear time as a whole.
template <typename Less>
size_t Distribution::reach(uint64_t target, Less less) noexcept {
  size_t low = 0;
  size_t high = count_;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    const auto at = [&](size_t i) { return candidates_.begin() + static_cast<ptrdiff_t>(i); };
    std::nth_element(at(low), at(middle), at(high), less);
    uint64_t mass = 0;
    for (size_t i = low; i < middle; ++i) mass += candidates_[i].weight;
    if (mass >= target) {
      high = middle;
    } else {
      target -= mass;
      low = middle;
    }
  }
  in_order_ = false;
  return high;
}

void Distribution::keep_first(size_t count) noexcept {
  count_ = count;
  total_ = 0;
  for (size_t i = 0; i < count_; ++i) total_ += candidates_[i].weight;
}

/// The weight of probability p, at least 1.
uint64_t Distribution::share(double p) const noexcept {
  const double weight = std::ceil(p * static_cast<double>(total_));
  return std::clamp(static_cast<uint64_t>(weight), uint64_t{1}, total_);
}

void Distribution::keep_top_p(double p) noexcept {
  const uint64_t target = share(p);
  // Tokens of at most this weight are together no more than what may be left out: none is needed.
  gather((total_ - target) / weights_.size());
  keep_first(reach(target, kLikelier));
}

void Distribution::keep_min_p(double p) noexcept {
  const double least = std::max(1.0, std::ceil(p * std::ldexp(1.0, weight_bits_)));
  gather(static_cast<uint64_t>(least) - 1);
  const auto end = candidates_.begin() + static_cast<ptrdiff_t>(count_);
  const auto kept = std::remove_if(candidates_.begin(), end, [&](const Candidate& c) {
    return static_cast<double>(c.weight) < least;
  });
  keep_first(static_cast<size_t>(kept - candidates_.begin()));
}

void Distribution::keep_typical(double p) noexcept {
  gather(0);
  const auto begin = candidates_.begin();
  // A sum of doubles depends on its order, so it is always that of ids.
  if (!in_order_) std::sort(begin, begin + static_cast<ptrdiff_t>(count_), kById);
  double mean = 0;
  for (size_t i = 0; i < count_; ++i) {
    mean += static_cast<double>(candidates_[i].weight) * candidates_[i].logit;
  }
  mean /= static_cast<double>(total_);
  // -ln p_i is C - l_i/T with the same C for all tokens, and the entropy is its mean. So the
  // distance of the two is |l_i - mean of l|/T, and T does not matter for the order.
  keep_first(reach(share(p), [mean](const Candidate& a, const Candidate& b) {
    const double far_a = std::abs(static_cast<double>(a.logit) - mean);
    const double far_b = std::abs(static_cast<double>(b.logit) - mean);
    return far_a != far_b ? far_a < far_b : kLikelier(a, b);
  }));
}

int32_t Distribution::draw(std::mt19937_64& random) noexcept {
  // Counted along ids, so that the order in which a filter left the candidates does not matter.
  uint64_t left = uniform_below(total_, random);
  if (gathered_) return candidates_[reach(left + 1, kById) - 1].token;
  size_t token = 0;
  for (; left >= weights_[token]; ++token) left -= weights_[token];
  return static_cast<int32_t>(token);
}

}  // namespace hearth
