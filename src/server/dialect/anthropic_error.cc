#include "server/dialect/anthropic_error.h"

#include <algorithm>
#include <iterator>

#include "server/dialect/openai_error.h"

namespace hearth {
namespace {

/// What Anthropic calls an error with this status.
const char* type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 408: return "timeout_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json error_json(int status, const std::string& message) {
  return {{"type", "error"}, {"error", {{"type", type_of(status)}, {"message", message}}}};
}

}  // namespace

Json anthropic_error(const ApiError& error) { return error_json(error.status(), error.what()); }

HttpResponse anthropic_error_form(int status, const std::string& message,
                                  const std::string& request_id) {
  Json body = error_json(status, message);
  body["request_id"] = request_id;
  return {.status = status, .body = to_text(body), .headers = {{"request-id", request_id}}};
}

HttpResponse anthropic_refusal(const ApiError& error, const std::string& request_id) {
  HttpResponse response = anthropic_error_form(error.status(), error.what(), request_id);
  std::ranges::move(retry_headers(error), std::back_inserter(response.headers));
  return response;
}

}  // namespace hearth
