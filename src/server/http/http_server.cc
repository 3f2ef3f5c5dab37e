#include "server/http/http_server.h"

#include <fmt/core.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <list>
#include <optional>

#include "base/error.h"
#include "server/http/connection.h"
#include "server/http/server_state.h"
#include "server/http/transport.h"

namespace hearth {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr size_t kOwnDescriptors = 128;  // model files, logs, listeners
constexpr size_t kRefusedMax = 256;      // connections that are being told that there are too many
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);

/// Raises the limit of open files to what the connections need, as far as the system lets us.
/// Returns for how many it is enough.
size_t connections_possible(size_t wanted) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t needed = wanted + kRefusedMax + kOwnDescriptors;
  if (limit.rlim_cur < needed) {
    rlimit raised = limit;
    raised.rlim_cur = std::min<rlim_t>(needed, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur >= needed) return wanted;
  const rlim_t kept = std::min<rlim_t>(limit.rlim_cur / 4, kRefusedMax + kOwnDescriptors);
  return std::min<size_t>(wanted, std::max<rlim_t>(limit.rlim_cur - kept, 1));
}

std::optional<asio::ssl::context> tls_of(const HttpServerOptions& options) {
  if (options.certificate.empty() != options.private_key.empty()) {
    throw UsageError("TLS takes a certificate and its private key; one of the two is missing.");
  }
  if (options.certificate.empty()) return std::nullopt;
  return tls_context(options.certificate, options.private_key);
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpServerOptions options, std::vector<Route> routes)
      : state_(std::move(options), std::move(routes)),
        tls_(tls_of(state_.options)),
        connections_max_(connections_possible(state_.options.bounds.connections_max)),
        stop_event_(state_.context),
        drain_timer_(state_.context) {
    const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event < 0) {
      throw Error(ExitCode::kFailure, "the system has no file descriptor left for the server");
    }
    stop_event_.assign(event);
    listen();
  }

  ~Impl() { state_.mailbox->close(); }

  uint16_t port() const { return port_; }
  bool stopping() const { return stopping_; }

  void run() {
    watch_stop();
    for (Listener& listener : listeners_) accept(listener);
    while (true) {
      try {
        state_.context.run();
        break;
      } catch (const std::exception& error) {  // no memory, at worst
        state_.log->error("", error.what());
      }
    }
    state_.mailbox->close();
  }

  void stop(bool now) noexcept {
    stopping_ = true;
    if (now) stopping_now_ = true;
    const int saved = errno;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_event_.native_handle(), &one, sizeof(one));
    errno = saved;
  }

 private:
  struct Listener {
    explicit Listener(asio::io_context& context) : acceptor(context), retry(context) {}

    tcp::acceptor acceptor;
    asio::steady_timer retry;
  };

  void listen() {
    const HttpServerOptions& options = state_.options;
    const std::string address = fmt::format("{}:{}", options.host, options.port);
    ErrorCode error;
    tcp::resolver resolver(state_.context);
    const auto found =
        resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
    if (error) {
      throw Error(ExitCode::kNetwork,
                  fmt::format("cannot listen on {}: {}. Give an address of this machine.", address,
                              error.message()));
    }
    for (const auto& entry : found) {
      tcp::endpoint endpoint = entry.endpoint();
      if (!listeners_.empty()) endpoint.port(port_);
      ErrorCode failed;
      listen_on(endpoint, failed);
      if (failed) error = failed;
    }
    if (!listeners_.empty()) return;  // a name may stand for an address that is not in use
    throw Error(ExitCode::kNetwork,
                fmt::format("cannot listen on {}: {}. Another program may be using the port; give "
                            "another one.",
                            address, error.message()));
  }

  void listen_on(const tcp::endpoint& endpoint, ErrorCode& error) {
    tcp::acceptor& acceptor = listeners_.emplace_back(state_.context).acceptor;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && endpoint.address().is_v6()) {
      acceptor.set_option(asio::ip::v6_only(true), error);
    }
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
    if (!error) acceptor.non_blocking(true, error);
    if (!error) port_ = acceptor.local_endpoint(error).port();
    if (error) listeners_.pop_back();
  }

  void accept(Listener& listener) {
    listener.acceptor.async_accept([this, &listener](const ErrorCode& error, tcp::socket socket) {
      if (!listener.acceptor.is_open()) return;
      if (!error) admit(std::move(socket));
      if (!error || error == asio::error::connection_aborted) return accept(listener);
      // No descriptors, most likely: the others wait in the system's queue.
      listener.retry.expires_after(kAcceptRetry);
      listener.retry.async_wait([this, &listener](const ErrorCode& cancelled) {
        if (!cancelled && listener.acceptor.is_open()) accept(listener);
      });
    });
  }

  void admit(tcp::socket socket) {
    const size_t count = state_.connections.size();
    if (count >= connections_max_ + kRefusedMax) return;
    ErrorCode error;
    const auto remote = socket.remote_endpoint(error);
    if (!error) socket.non_blocking(true, error);
    if (error) return;  // it has gone again
    ErrorCode ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    auto transport = tls_ ? tls_transport(std::move(socket), *tls_)
                          : plain_transport(std::move(socket), state_.scratch);
    auto connection = std::make_shared<Connection>(
        state_, std::move(transport), remote.address().to_string(), count >= connections_max_);
    state_.connections.insert(connection);
    connection->start();
  }

  void watch_stop() {
    stop_event_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this](const ErrorCode& error) {
                             if (error) return;
                             uint64_t count = 0;
                             [[maybe_unused]] const ssize_t bytes =
                                 read(stop_event_.native_handle(), &count, sizeof(count));
                             watch_stop();
                             if (stopping_ && !state_.draining) drain();
                             if (stopping_now_) cut_all("the server stops");
                           });
  }

  void drain() {
    state_.draining = true;
    state_.drain_begin = std::chrono::steady_clock::now();
    state_.on_last_closed = [this] { end(); };
    for (Listener& listener : listeners_) {
      ErrorCode error;
      while (!error) {  // whom the system has accepted on our behalf
        tcp::socket socket = listener.acceptor.accept(error);
        if (!error) admit(std::move(socket));
      }
      listener.acceptor.close(error);
      listener.retry.cancel();
    }
    if (state_.connections.empty()) return end();
    for (const auto& connection : state_.connections) connection->wake();
    drain_timer_.expires_after(state_.options.times.drain);
    drain_timer_.async_wait([this](const ErrorCode& cancelled) {
      if (!cancelled) cut_all("the server stops");
    });
  }

  void cut_all(const std::string& reason) {
    for (const auto& connection : state_.connections) connection->fail(reason);
  }

  /// Nothing is left to wait for, so run() returns.
  void end() {
    drain_timer_.cancel();
    ErrorCode ignored;
    stop_event_.cancel(ignored);
  }

  ServerState state_;
  std::optional<asio::ssl::context> tls_;
  const size_t connections_max_;
  std::list<Listener> listeners_;
  uint16_t port_ = 0;
  asio::posix::stream_descriptor stop_event_;
  asio::steady_timer drain_timer_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> stopping_now_ = false;
};

HttpServer::HttpServer(HttpServerOptions options, std::vector<Route> routes)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(routes))) {}

HttpServer::~HttpServer() = default;

uint16_t HttpServer::port() const { return impl_->port(); }
void HttpServer::run() { impl_->run(); }
void HttpServer::stop() noexcept { impl_->stop(false); }
void HttpServer::stop_now() noexcept { impl_->stop(true); }
bool HttpServer::stopping() const noexcept { return impl_->stopping(); }

}  // namespace hearth
