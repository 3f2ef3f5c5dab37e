#include "os/worker_pool.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <system_error>

#include "base/check.h"
#include "base/error.h"

namespace hearth {
namespace {

// About 50 µs of spinning: longer than any serial stretch inside a forward pass, far shorter than
// what a person notices on an idle core.
constexpr int kSpins = 2000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void pin_to(pthread_t thread, int processor) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(processor, &mask);
  pthread_setaffinity_np(thread, sizeof mask, &mask);  // best effort
}

}  // namespace

WorkerPool::WorkerPool(std::span<const int> processors, bool pin) {
  CHECK(!processors.empty());
  if (pin) pin_to(pthread_self(), processors[0]);
  for (size_t i = 1; i < processors.size(); ++i) {
    try {
      threads_.emplace_back([this, i] { worker_main(static_cast<int>(i)); });
    } catch (const std::system_error&) {
      stop();
      throw MemoryError(
          fmt::format("the system refused to start thread {} of {}. Ask for fewer "
                      "(-t), or raise the limits on threads and memory.",
                      i + 1, processors.size()));
    }
    if (pin) pin_to(threads_.back().native_handle(), processors[i]);
  }
}

void WorkerPool::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::run(const Loop& loop) noexcept {
  if (loop.count <= 1 || threads_.empty()) {
    for (int64_t i = 0; i < loop.count; ++i) loop.call(loop.context, i, 0);
    return;
  }
  loop_ = loop;
  next_index_.store(0, std::memory_order_relaxed);
  running_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  work(0);
  // Joining spins only: the others are at most one index behind.
  for (int spins = 0; running_.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins) relax();
    else sched_yield();
  }
}

void WorkerPool::work(int worker) noexcept {
  const Loop loop = loop_;
  for (int64_t index = next_index_.fetch_add(1, std::memory_order_relaxed); index < loop.count;
       index = next_index_.fetch_add(1, std::memory_order_relaxed)) {
    loop.call(loop.context, index, worker);
  }
}

void WorkerPool::worker_main(int worker) noexcept {
  for (uint32_t seen = 0;;) {
    int spins = 0;
    while (generation_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) relax();
      else generation_.wait(seen, std::memory_order_acquire);
    }
    ++seen;
    if (stopping_.load(std::memory_order_relaxed)) return;
    work(worker);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace hearth
