// Maps pages of a file before somebody needs them, in the background.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

namespace hearth {

/// The first touch of a mapped page costs a fault, at some 2 GB/s, even when the page is in memory.
/// Threads that run only when a processor has nothing else to do take that ahead. They stop between
/// two steps of a few megabytes when this is destroyed, and at once where the kernel lacks
/// MADV_POPULATE_READ (Linux 5.14).
class PagePopulator {
 public:
  PagePopulator() = default;
  /// The mappings must outlive it. Threads that the system refuses are done without.
  PagePopulator(std::vector<std::span<const std::byte>> mappings, size_t threads);

  /// Waits until every page is there.
  void wait();
  /// Whether it has nothing left to do.
  bool finished() const;

 private:
  struct Steps;
  static void populate(const std::stop_token& stop, Steps& steps);

  std::shared_ptr<Steps> steps_;  // of the threads, too
  std::vector<std::jthread> threads_;
};

}  // namespace hearth
