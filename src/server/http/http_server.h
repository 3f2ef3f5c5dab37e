// An HTTP/1.1 server in one thread. It cuts off whoever is too slow, asks for too much or does not
// read, and ends without losing a byte of the answers under way.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/http/exchange.h"
#include "server/http/http_options.h"

namespace hearth {

class HttpServer {
 public:
  /// Listens from now on: clients wait until run(). Throws UsageError for options, Error where the
  /// address cannot be had.
  HttpServer(HttpServerOptions options, std::vector<Route> routes);
  ~HttpServer();

  uint16_t port() const;

  /// Serves, in this thread, until it was told to stop and has.
  void run();

  /// Ends gracefully: no new connections, idle ones are closed, running exchanges get their time;
  /// those left then hear on_gone(). From any thread or a signal handler, any number of times.
  void stop() noexcept;

  /// Ends now: running exchanges are cut. Likewise.
  void stop_now() noexcept;

  /// Whether it was told to stop; from any thread.
  bool stopping() const noexcept;

 private:
  class Impl;

  std::unique_ptr<Impl> impl_;
};

}  // namespace hearth
