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

void pin_to(pthread_t thread, std::span<const int> processors) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (const int processor : processors) CPU_SET(processor, &mask);
  pthread_setaffinity_np(thread, sizeof mask, &mask);  // best effort
}

std::vector<int> own_processors() {
  std::vector<int> processors;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (pthread_getaffinity_np(pthread_self(), sizeof mask, &mask) != 0) return processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &mask)) processors.push_back(i);
  }
  return processors;
}

}  // namespace

WorkerPool::WorkerPool(std::span<const int> processors, bool pin) {
  CHECK(!processors.empty());
  if (pin) {
    allowed_ = own_processors();
    pin_to(pthread_self(), processors.first(1));
  }
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
    if (pin) pin_to(threads_.back().native_handle(), processors.subspan(i, 1));
  }
}

void WorkerPool::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  if (!allowed_.empty()) pin_to(pthread_self(), allowed_);
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
