// Tasks for the thread of a server, from any other. Outlives the server in the hands of those who
// still hold an exchange.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <mutex>

namespace hearth {

class Mailbox {
 public:
  explicit Mailbox(boost::asio::io_context& context) : context_(&context) {}

  /// Dropped once the server has ended.
  void post(std::function<void()> task);
  void close();

 private:
  std::mutex mutex_;
  boost::asio::io_context* context_;
};

}  // namespace hearth
