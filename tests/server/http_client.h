// A blocking client for tests, which can also misbehave: sends any bytes, stops reading, closes
// half of a connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/http/http_server.h"

namespace hearth::testing {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using ExchangePtr = std::shared_ptr<Exchange>;

/// Answers with a text.
void say(const ExchangePtr& exchange, std::string text);

double millis_since(Clock::time_point begin);

/// A server of routes in a thread of its own, on a free port.
class RunningServer {
 public:
  explicit RunningServer(std::vector<Route> routes, HttpServerOptions options = {});
  ~RunningServer();

  uint16_t port() const { return server_.port(); }
  HttpServer& server() { return server_; }
  /// Waits until the server has ended by itself.
  void join();

 private:
  HttpServer server_;
  std::thread thread_;
};

struct Reply {
  int status = 0;  // 0: the connection ended without one
  HttpHeaders headers = {};
  std::string body = {};
  bool complete = false;  // as long as it said, or ended by its last chunk

  std::string header(std::string_view name) const;
};

class HttpClient {
 public:
  using Duration = std::chrono::milliseconds;

  /// A small receive buffer makes for a client that is soon full.
  explicit HttpClient(uint16_t port, int receive_buffer_bytes = 0);
  ~HttpClient();
  HttpClient(HttpClient&& other) noexcept;
  HttpClient& operator=(HttpClient&&) = delete;

  /// False where the server has closed.
  bool send(std::string_view bytes);
  /// An answer, over any number of interim ones. `has_body` is false for HEAD.
  Reply read_reply(bool has_body = true);
  Reply request(std::string_view bytes);
  /// What comes within the time; ends early once `until` has come.
  std::string read_until(std::string_view until, Duration timeout = Duration(5000));
  /// Everything until the server closes; fails the test when it does not.
  std::string read_to_end(Duration timeout = Duration(10000));
  void finish_sending();
  void close();
  int descriptor() const { return socket_; }

 private:
  bool fill(Duration timeout);  // false: the end, or nothing came
  bool read_line(std::string& line);
  bool read_bytes(size_t count, std::string& out);
  bool read_chunks(std::string& out);

  int socket_ = -1;
  std::string buffer_;
  bool ended_ = false;
};

/// "GET /path HTTP/1.1", a Host and more headers, each with its line end.
std::string get(std::string_view path, std::string_view headers = "");
std::string post(std::string_view path, std::string_view body, std::string_view headers = "");

/// One request on a connection of its own.
Reply fetch(uint16_t port, std::string_view request);

/// Calls until it is true, for seconds at most.
bool eventually(const std::function<bool()>& condition);

}  // namespace hearth::testing
