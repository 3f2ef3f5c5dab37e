#include "engine/penalties.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace hearth {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
// No logit outweighs this, and floats can still be told apart from it.
constexpr double kLargestPenalty = 1e9;

/// The same on every machine, as std::pow need not be.
double power(double base, int64_t exponent) {
  double result = 1;
  for (; exponent > 0 && result < kLargestPenalty; exponent /= 2, base *= base) {
    if (exponent % 2 == 1) result *= base;
    base = std::min(base, 1e100);
  }
  return result;
}

int64_t clipped(int64_t window, int64_t tokens) {
  return window < 0 ? tokens : std::min(window, tokens);
}

}  // namespace

float finite(double value) noexcept {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kLargest, kLargest));
}

Penalties::Penalties(const SamplingParameters& p, int64_t vocab_size, int64_t context_tokens)
    : repetition_(p.repetition_penalty),
      presence_(p.presence_penalty),
      frequency_(p.frequency_penalty),
      window_(p.repeat_last_n),
      dry_multiplier_(p.dry_multiplier),
      dry_base_(p.dry_base),
      dry_allowed_length_(p.dry_allowed_length),
      dry_window_(p.dry_penalty_last_n),
      by_token_(window_ != 0 && (repetition_ != 1 || presence_ != 0 || frequency_ != 0)),
      dry_(dry_window_ != 0 && dry_multiplier_ > 0) {
  const size_t vocab = static_cast<size_t>(vocab_size);
  const size_t context = static_cast<size_t>(context_tokens);
  if (active()) history_.reserve(context);
  if (by_token_) {
    seen_.resize(vocab);
    drawn_.resize(vocab);
    is_listed_.resize(vocab);
    listed_.reserve(vocab);
  }
  if (!dry_) return;
  repeat_.reserve(context);
  longest_.resize(vocab);
  breaker_.resize(vocab);
  for (const int32_t token : p.dry_breaker_tokens) {
    CHECK(token >= 0 && token < vocab_size);
    breaker_[static_cast<size_t>(token)] = 1;
  }
}

void Penalties::accept(int32_t token, bool drawn) {
  if (!active()) return;
  history_.push_back(drawn ? token : ~token);
  if (dry_) repeat_.push_back(0);
  if (!by_token_) return;
  count(history_.back(), 1);
  const int64_t tokens = static_cast<int64_t>(history_.size());
  if (window_ > 0 && tokens > window_)
    count(history_[static_cast<size_t>(tokens - 1 - window_)], -1);
}

void Penalties::count(Entry entry, int32_t change) noexcept {
  const size_t token = static_cast<size_t>(entry < 0 ? ~entry : entry);
  seen_[token] += change;
  if (entry >= 0) drawn_[token] += change;
  if (is_listed_[token]) return;
  is_listed_[token] = 1;
  listed_.push_back(static_cast<int32_t>(token));
}

void Penalties::apply(std::span<float> logits) noexcept {
  if (by_token_) apply_by_token(logits);
  if (dry_) apply_dry(logits);
}

void Penalties::apply_by_token(std::span<float> logits) noexcept {
  size_t kept = 0;
  for (const int32_t listed : listed_) {
    const size_t token = static_cast<size_t>(listed);
    if (seen_[token] == 0) {  // it has left the window
      is_listed_[token] = 0;
      continue;
    }
    listed_[kept++] = listed;
    if (logits[token] == kNever) continue;
    double logit = logits[token];
    logit = logit < 0 ? logit * repetition_ : logit / repetition_;
    if (drawn_[token] > 0) logit -= presence_ + frequency_ * drawn_[token];
    logits[token] = finite(logit);
  }
  listed_.resize(kept);
}

int32_t Penalties::from_end(int64_t index) const noexcept {
  const Entry entry = history_[history_.size() - 1 - static_cast<size_t>(index)];
  return entry < 0 ? ~entry : entry;
}

/// How many tokens at the end have no breaker among them.
int64_t Penalties::unbroken_end(int64_t tokens) const noexcept {
  int64_t length = 0;
  while (length < tokens && !breaker_[static_cast<size_t>(from_end(length))]) ++length;
  return length;
}

/// repeat_[i]: how many tokens, counted backwards from i before the last, are those that the
/// history ends with. This is the Z function of the reversed history, in linear time: within the
/// farthest match [left, right) that was found, values of its copy at the start are reused.
void Penalties::measure_repeats(int64_t tokens, int64_t limit) noexcept {
  int64_t left = 0;
  int64_t right = 0;
  for (int64_t i = 1; i < tokens; ++i) {
    int64_t length = 0;
    if (i < right) {
      length = std::min<int64_t>(right - i, repeat_[static_cast<size_t>(i - left)]);
    }
    while (length < limit && i + length < tokens && from_end(length) == from_end(i + length)) {
      ++length;
    }
    repeat_[static_cast<size_t>(i)] = static_cast<int32_t>(length);
    if (i + length <= right) continue;
    left = i;
    right = i + length;
  }
}

void Penalties::apply_dry(std::span<float> logits) noexcept {
  const int64_t tokens = clipped(dry_window_, static_cast<int64_t>(history_.size()));
  const int64_t limit = unbroken_end(tokens);
  if (limit < dry_allowed_length_) return;
  measure_repeats(tokens, limit);
  const auto repeats = [&](int64_t i) { return repeat_[static_cast<size_t>(i)]; };
  // What followed a repeated stretch the last time would make it longer. The longest counts.
  for (int64_t i = 1; i < tokens; ++i) {
    int32_t& longest = longest_[static_cast<size_t>(from_end(i - 1))];
    if (repeats(i) >= dry_allowed_length_) longest = std::max(longest, repeats(i));
  }
  for (int64_t i = 1; i < tokens; ++i) {
    if (repeats(i) < dry_allowed_length_) continue;
    const size_t token = static_cast<size_t>(from_end(i - 1));
    const int64_t length = std::exchange(longest_[token], 0);
    if (length == 0 || breaker_[token] || logits[token] == kNever) continue;
    const double penalty = dry_multiplier_ * power(dry_base_, length - dry_allowed_length_);
    logits[token] = finite(logits[token] - std::min(penalty, kLargestPenalty));
  }
}

}  // namespace hearth
