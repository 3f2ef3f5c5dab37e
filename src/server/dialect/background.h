// Work that would hold up every other connection if it ran in their thread: a long text to encode,
// a template to render.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace hearth {

class Background {
 public:
  Background() = default;
  /// Finishes the task in progress and drops the others.
  ~Background();

  /// Runs a task, which does not throw, in a thread of its own, after those before it. Throws
  /// ApiError when too many wait.
  void run(std::function<void()> task);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wakes_;
  std::deque<std::function<void()>> tasks_;
  bool stops_ = false;
  std::thread thread_;  // from the first task on
};

}  // namespace hearth
