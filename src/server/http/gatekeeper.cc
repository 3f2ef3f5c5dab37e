#include "server/http/gatekeeper.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>

#include "base/error.h"

namespace hearth {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// "[::1]:8080" and "localhost:8080" without port and brackets, in lower case.
std::string host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    return lower(authority.substr(1, std::min(authority.find(']'), authority.size()) - 1));
  }
  return lower(authority.substr(0, authority.rfind(':')));
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end() ||
         std::ranges::find(names, "*") != names.end();
}

/// A page of this server: its origin is the host that it calls.
bool is_same_origin(const HttpRequest& request) {
  const std::string origin = lower(request.header("Origin"));
  const std::string host = lower(request.header("Host"));
  return !host.empty() && (origin == "http://" + host || origin == "https://" + host);
}

}  // namespace

bool is_loopback_host(const std::string& host) {
  const std::string name = lower(host);
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(name, error);
  return !error && address.is_loopback();
}

void check_exposure(const HttpServerOptions& options) {
  if (is_loopback_host(options.host) || !options.api_keys.empty() || options.insecure) return;
  throw UsageError(fmt::format(
      "{} can be reached from other machines, and there is no API key. Set a key, listen on "
      "127.0.0.1, or say that everybody may use this server (insecure).",
      options.host));
}

Gatekeeper::Gatekeeper(const HttpServerOptions& options)
    : keys_(options.api_keys), checks_hosts_(is_loopback_host(options.host)) {
  for (const std::string& origin : options.allowed_origins) origins_.push_back(lower(origin));
  for (const std::string& host : options.allowed_hosts) hosts_.push_back(lower(host));
}

std::optional<HttpProblem> Gatekeeper::check_caller(const HttpRequest& request) const {
  const std::string host = host_of(request.header("Host"));
  // HTTP/1.0 knows no Host; no browser speaks it.
  if (checks_hosts_ && !host.empty() && !is_loopback_host(host) && !has(hosts_, host)) {
    return HttpProblem{403, "host_not_allowed",
                       fmt::format("This server does not go by the name '{}'. Call it by its "
                                   "address, or start it with --allow-host {}.",
                                   host, host)};
  }
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || is_same_origin(request) || is_allowed_origin(origin)) return std::nullopt;
  return HttpProblem{403, "origin_not_allowed",
                     fmt::format("Pages of '{}' may not call this server. Start it with "
                                 "--allow-origin {} if they should.",
                                 origin, origin)};
}

std::optional<HttpProblem> Gatekeeper::check_key(const HttpRequest& request) const {
  if (keys_.empty()) return std::nullopt;
  const std::string_view header = request.header("Authorization");
  std::string_view bearer;
  if (lower(header.substr(0, 7)) == "bearer ") {
    bearer = header.substr(7);
    bearer.remove_prefix(std::min(bearer.find_first_not_of(' '), bearer.size()));
  }
  const std::string_view key = request.header("x-api-key");  // some clients send both
  if (keys_.contains(bearer) || keys_.contains(key)) return std::nullopt;
  const std::string message =
      bearer.empty() && key.empty()
          ? "There is no API key. Send one as 'Authorization: Bearer KEY' or 'x-api-key: "
            "KEY'."
          : "The API key is not one of this server's.";
  return HttpProblem{401, "invalid_api_key", message, {{"WWW-Authenticate", "Bearer"}}};
}

bool Gatekeeper::is_allowed_origin(std::string_view origin) const {
  return has(origins_, lower(origin));
}

HttpHeaders Gatekeeper::cors_headers(const HttpRequest& request) const {
  if (origins_.empty()) return {};
  const std::string_view origin = request.header("Origin");
  HttpHeaders headers = {{"Vary", "Origin"}};
  if (!origin.empty() && is_allowed_origin(origin)) {
    headers.emplace_back("Access-Control-Allow-Origin", origin);
    headers.emplace_back("Access-Control-Expose-Headers", "x-request-id, retry-after");
  }
  return headers;
}

HttpResponse Gatekeeper::preflight(const HttpRequest& request, const std::string& methods) const {
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  response.headers = {{"Allow", methods}};
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || !is_allowed_origin(origin)) return response;
  response.headers.emplace_back("Access-Control-Allow-Methods", methods);
  // SDKs send headers of their own, more with every version; "*" would not cover Authorization.
  const std::string_view wanted = request.header("Access-Control-Request-Headers");
  if (!wanted.empty()) response.headers.emplace_back("Access-Control-Allow-Headers", wanted);
  response.headers.emplace_back("Access-Control-Max-Age", "600");
  return response;
}

}  // namespace hearth
