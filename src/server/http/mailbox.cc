#include "server/http/mailbox.h"

#include <boost/asio/post.hpp>

namespace hearth {

void Mailbox::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr) boost::asio::post(*context_, std::move(task));
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
}

}  // namespace hearth
