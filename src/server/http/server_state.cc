#include "server/http/server_state.h"

#include <fmt/core.h>

#include <random>

#include "server/http/connection.h"

namespace hearth {

RouteTable::RouteTable(std::vector<Route> routes) {
  for (Route& route : routes) {
    const std::string path = route.path;
    if (route.error_form) forms_.emplace_back(path, route.error_form);
    routes_[path].push_back(std::move(route));
  }
}

const Route* RouteTable::find(const std::string& path, const std::string& method) const {
  const auto it = routes_.find(path);
  if (it == routes_.end()) return nullptr;
  const Route* get = nullptr;
  for (const Route& route : it->second) {
    if (route.method == method) return &route;
    if (route.method == "GET") get = &route;
  }
  return method == "HEAD" ? get : nullptr;
}

std::string RouteTable::methods(const std::string& path) const {
  std::string text;
  const auto it = routes_.find(path);
  if (it != routes_.end()) {
    for (const Route& route : it->second) {
      text += route.method + ", ";
      if (route.method == "GET") text += "HEAD, ";
    }
  }
  return text + "OPTIONS";
}

ErrorForm RouteTable::error_form(const std::string& path) const {
  for (const auto& [above, form] : forms_) {
    if (path == above || path.starts_with(above + "/")) return form;
  }
  return nullptr;
}

ServerState::ServerState(HttpServerOptions server_options, std::vector<Route> server_routes)
    : options(std::move(server_options)),
      routes(std::move(server_routes)),
      gatekeeper(options),
      log(options.log ? options.log : std::make_shared<ServerLog>(ServerLogOptions{})),
      context(1),
      mailbox(std::make_shared<Mailbox>(context)) {
  std::random_device random;
  id_prefix_ = fmt::format("req_{:08x}{:08x}", random(), random());
}

std::string ServerState::next_request_id() { return fmt::format("{}{:08x}", id_prefix_, ++ids_); }

}  // namespace hearth
