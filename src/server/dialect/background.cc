#include "server/dialect/background.h"

#include <utility>

#include "answer/api_error.h"

namespace hearth {
namespace {

constexpr size_t kTasksMax = 64;

}  // namespace

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
    tasks_.clear();
  }
  wakes_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Background::run(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= kTasksMax) {
      throw ApiError(ApiError::Kind::kOverloaded, "Too many requests wait; try again later.");
    }
    tasks_.push_back(std::move(task));
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  }
  wakes_.notify_one();
}

void Background::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wakes_.wait(lock, [this] { return stops_ || !tasks_.empty(); });
    if (stops_) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // outside the lock: it may hold the last reference to an exchange
    lock.lock();
  }
}

}  // namespace hearth
