// A fixed team of threads that runs one loop at a time, with fork and join cheap enough for some
// six hundred loops a token: idle workers spin for a while before they sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

namespace hearth {

class WorkerPool {
 public:
  /// Starts one worker per listed processor; the calling thread is worker 0 and runs part of every
  /// loop. With `pin`, worker i stays on processors[i]; the calling thread gets its freedom back in
  /// the end. Pinning that the system refuses is skipped.
  /// Throws MemoryError when the system refuses a thread.
  WorkerPool(std::span<const int> processors, bool pin);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls body(index, worker) for every index in [0, count), each once, on any worker; returns
  /// when all calls have. Indices are handed out in increasing order. The body must not throw and
  /// must not call parallel_for. Only the thread that made the pool may call this.
  template <typename Body>
  void parallel_for(int64_t count, const Body& body) noexcept {
    const auto call = [](const void* context, int64_t index, int worker) {
      (*static_cast<const Body*>(context))(index, worker);
    };
    run(Loop{call, &body, count});
  }

 private:
  struct Loop {
    void (*call)(const void* context, int64_t index, int worker) = nullptr;
    const void* context = nullptr;
    int64_t count = 0;
  };

  void stop();
  void run(const Loop& loop) noexcept;
  void work(int worker) noexcept;
  void worker_main(int worker) noexcept;

  Loop loop_;
  alignas(64) std::atomic<uint32_t> generation_{0};  // odd/even does not matter; +1 a loop
  alignas(64) std::atomic<int64_t> next_index_{0};
  alignas(64) std::atomic<int> running_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
  std::vector<int> allowed_;  // processors of the calling thread before it was pinned
};

}  // namespace hearth
