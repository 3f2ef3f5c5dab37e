// Trying again: longer and longer waits, as long as the server asks for, and not for ever.
#pragma once

#include <utility>

#include "hub/http.h"

namespace hearth {

struct RetryPolicy {
  int attempts = 10;  // without any progress between them
  double first_wait_seconds = 0.5;
  double longest_wait_seconds = 30;
};

/// Waits, but throws CancelledError soon after it shall stop.
void wait_seconds(double seconds, const StopCheck& stop);

/// The attempts at one thing.
class Retry {
 public:
  Retry(const RetryPolicy& policy, StopCheck stop) : policy_(policy), stop_(std::move(stop)) {}

  /// Something arrived: failures are counted anew.
  void progressed() { failures_ = 0; }

  /// After a failure: waits before the next attempt, or throws the error when there is none.
  void wait_after(const NetworkError& error);

  /// Calls `attempt` until it succeeds.
  template <typename Attempt>
  auto run(const Attempt& attempt) {
    for (;;) {
      try {
        return attempt();
      } catch (const NetworkError& error) {
        wait_after(error);
      }
    }
  }

 private:
  RetryPolicy policy_;
  StopCheck stop_;
  int failures_ = 0;
};

}  // namespace hearth
