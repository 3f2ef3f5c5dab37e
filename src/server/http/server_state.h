// What the connections of a server share. Only in the thread of the server.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/http/exchange.h"
#include "server/http/gatekeeper.h"
#include "server/http/http_options.h"
#include "server/http/mailbox.h"
#include "server/http/server_log.h"

namespace hearth {

class Connection;

/// Routes by path, then method.
class RouteTable {
 public:
  explicit RouteTable(std::vector<Route> routes);

  bool has_path(const std::string& path) const { return routes_.contains(path); }
  /// HEAD finds GET. Null where there is none.
  const Route* find(const std::string& path, const std::string& method) const;
  /// "GET, HEAD, OPTIONS"
  std::string methods(const std::string& path) const;
  /// Of errors at a path, whether there is a route or not.
  ErrorForm error_form(const std::string& path) const;

 private:
  std::unordered_map<std::string, std::vector<Route>> routes_;
  std::vector<std::pair<std::string, ErrorForm>> forms_;  // of paths that have one
};

struct ServerState {
  ServerState(HttpServerOptions server_options, std::vector<Route> server_routes);

  std::string next_request_id();

  const HttpServerOptions options;
  const RouteTable routes;
  const Gatekeeper gatekeeper;
  const std::shared_ptr<ServerLog> log;
  boost::asio::io_context context;
  const std::shared_ptr<Mailbox> mailbox;
  std::array<char, 64 << 10> scratch;
  std::unordered_set<std::shared_ptr<Connection>> connections = {};
  size_t body_bytes = 0;  // of requests that are not answered yet
  bool draining = false;
  std::chrono::steady_clock::time_point drain_begin = {};
  std::function<void()> on_last_closed = {};  // while draining

 private:
  std::string id_prefix_;
  uint64_t ids_ = 0;
};

}  // namespace hearth
