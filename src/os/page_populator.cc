#include "os/page_populator.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

// Debian 12's C library has it; older headers do not.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

namespace hearth {
namespace {

constexpr size_t kStepBytes = size_t{8} << 20;
constexpr size_t kPage = 4096;

}  // namespace

/// Steps of all mappings, handed out in order.
struct PagePopulator::Steps {
  std::vector<std::span<const std::byte>> parts;
  std::atomic<size_t> next = 0;
  std::atomic<size_t> threads = 0;  // that work
};

void PagePopulator::populate(const std::stop_token& stop, Steps& steps) {
  const sched_param none{};
  pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
  for (size_t i = steps.next++; i < steps.parts.size() && !stop.stop_requested();
       i = steps.next++) {
    void* address = const_cast<std::byte*>(steps.parts[i].data());
    if (madvise(address, steps.parts[i].size(), MADV_POPULATE_READ) != 0) steps.next = SIZE_MAX / 2;
  }
  --steps.threads;
}

PagePopulator::PagePopulator(std::vector<std::span<const std::byte>> mappings, size_t threads)
    : steps_(std::make_shared<Steps>()) {
  for (std::span<const std::byte> mapping : mappings) {
    // A mapping starts at a page; a span inside it may not.
    const size_t before = reinterpret_cast<uintptr_t>(mapping.data()) % kPage;
    mapping = {mapping.data() - before, mapping.size() + before};
    for (size_t at = 0; at < mapping.size(); at += kStepBytes) {
      steps_->parts.push_back(mapping.subspan(at, std::min(kStepBytes, mapping.size() - at)));
    }
  }
  try {
    for (size_t i = 0; i < threads; ++i) {
      ++steps_->threads;
      threads_.emplace_back(
          [steps = steps_](const std::stop_token& stop) { populate(stop, *steps); });
    }
  } catch (const std::system_error&) {
    --steps_->threads;
    // Fewer threads, or none: pages then come when they are touched.
  }
}

void PagePopulator::wait() {
  for (std::jthread& thread : threads_) thread.join();
  threads_.clear();
}

bool PagePopulator::finished() const { return !steps_ || steps_->threads == 0; }

}  // namespace hearth
