// Who may call: names a server goes by, origins of web pages, API keys.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/http/api_keys.h"
#include "server/http/exchange.h"
#include "server/http/http_options.h"
#include "server/http/http_problem.h"

namespace hearth {

class Gatekeeper {
 public:
  /// Throws UsageError.
  explicit Gatekeeper(const HttpServerOptions& options);

  /// Turns away two kinds of web pages. One whose name was pointed to this machine (DNS rebinding)
  /// calls a loopback server by that name; one from elsewhere says so in its Origin.
  std::optional<HttpProblem> check_caller(const HttpRequest& request) const;

  /// The key, in `Authorization: Bearer` or `x-api-key`.
  std::optional<HttpProblem> check_key(const HttpRequest& request) const;

  /// The headers that let a page of an allowed origin read the answer.
  HttpHeaders cors_headers(const HttpRequest& request) const;

  /// The answer to a browser that asks before it calls, or to any OPTIONS.
  HttpResponse preflight(const HttpRequest& request, const std::string& methods) const;

 private:
  bool is_allowed_origin(std::string_view origin) const;

  ApiKeys keys_;
  std::vector<std::string> origins_;
  std::vector<std::string> hosts_;
  bool checks_hosts_;
};

}  // namespace hearth
