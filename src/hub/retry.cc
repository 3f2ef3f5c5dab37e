#include "hub/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

namespace hearth {
namespace {

/// A server may ask for more than a person wants to wait in front of a terminal.
constexpr double kMaxRetryAfterSeconds = 300;

/// Several connections that failed together shall not come back together.
double jitter() {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>(0.75, 1.25)(random);
}

}  // namespace

void wait_seconds(double seconds, const StopCheck& stop) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (!stop || !stop()) {
    const std::chrono::duration<double> left = end - Clock::now();
    if (left.count() <= 0) return;
    std::this_thread::sleep_for(std::min(left, std::chrono::duration<double>(0.05)));
  }
  throw CancelledError("Interrupted.");
}

void Retry::wait_after(const NetworkError& error) {
  ++failures_;
  if (!error.retryable() || failures_ >= policy_.attempts) throw error;
  if (error.retry_after_seconds() > kMaxRetryAfterSeconds) {
    throw NetworkError(fmt::format("{} It asks to come back in {:.0f} s.", error.what(),
                                   error.retry_after_seconds()));
  }
  const double doubled = policy_.first_wait_seconds * std::exp2(std::min(failures_ - 1, 20));
  const double own = std::min(doubled, policy_.longest_wait_seconds) * jitter();
  wait_seconds(std::max(own, error.retry_after_seconds()), stop_);
}

}  // namespace hearth
