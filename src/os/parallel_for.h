// A loop over a few threads, for work outside inference: opening files, checking, writing.
// The forward pass has its own workers.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace hearth {

/// Calls body(i) once for each i in [0, count), on at most `max_threads` threads (0: as many as the
/// machine has), in no certain order. When calls throw, no further ones start, and the error of the
/// lowest i is thrown: that one does not depend on timing, because i are handed out in order.
template <typename Body>
void parallel_for(size_t count, const Body& body, size_t max_threads = 0) {
  constexpr size_t kNone = std::numeric_limits<size_t>::max();
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;    // guarded by mutex
  size_t error_index = kNone;  // guarded by mutex
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < error_index) {
          error_index = i;
          error = std::current_exception();
        }
        next = count;
      }
    }
  };
  if (max_threads == 0) max_threads = std::max(1u, std::thread::hardware_concurrency());
  {
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < std::min(count, max_threads); ++i) helpers.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace hearth
