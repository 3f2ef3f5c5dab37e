// A request over HTTP and the answer to it, for those who answer: no sockets here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query: "/v1/models"
  std::string query;   // as it came, without '?'
  HttpHeaders headers;
  std::string body;
  std::string id;      // of the request: the client's x-request-id, else ours
  std::string client;  // address, for logs and fairness

  /// The first header of a name, in any case; empty where there is none.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  HttpHeaders headers = {};
};

/// One exchange. Everything but post() happens in the thread of its connection, including the
/// callbacks. Exactly one of respond() and begin_stream() is called, now or later.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(HttpRequest request) : request_(std::move(request)) {}
  virtual ~Exchange() = default;

  /// Its body goes when the client does: another thread needs take_request().
  const HttpRequest& request() const { return request_; }
  /// The whole request; what request() returns has no body from then on.
  HttpRequest take_request();

  /// The whole answer.
  virtual void respond(HttpResponse response) = 0;

  /// The head of an answer that comes in pieces (its body is the first one); end() ends it.
  virtual void begin_stream(HttpResponse head) = 0;
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;

  /// Of pieces that the client has not taken yet. Above the limit of the server (64 KiB unless
  /// told) `congested` is true until half of it has been taken; on_drained is called then.
  virtual size_t queued_bytes() const = 0;
  virtual bool congested() const = 0;

  /// Runs a task in the connection's thread; from any thread. Nothing once the client has gone.
  virtual void post(std::function<void()> task) = 0;

  void on_drained(std::function<void()> call) { drained_ = std::move(call); }
  /// The client has gone before the answer ended, or the server stops.
  void on_gone(std::function<void()> call) { gone_ = std::move(call); }

 protected:
  HttpRequest request_;
  std::function<void()> drained_;
  std::function<void()> gone_;
};

/// The answer that tells of an error which the server itself has found, as the clients of a route
/// expect it. The server adds the headers.
using ErrorForm = HttpResponse (*)(int status, const std::string& message,
                                   const std::string& request_id);

/// Answers requests of a method and a path.
struct Route {
  std::string method;
  std::string path;  // exact
  std::function<void(const std::shared_ptr<Exchange>& exchange)> handle;
  bool open = false;  // needs no API key
  size_t body_bytes_max = 64 << 20;
  ErrorForm error_form = nullptr;  // also of paths below that have no route; null: the server's own
};

}  // namespace hearth
