#include "server/http/http_problem.h"

#include <nlohmann/json.hpp>

namespace hearth {
namespace {

std::string type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

}  // namespace

HttpResponse to_response(const HttpProblem& problem, ErrorForm form,
                         const std::string& request_id) {
  HttpResponse response;
  if (form) {
    response = form(problem.status, problem.message, request_id);
  } else {
    const nlohmann::ordered_json body = {{"error",
                                          {{"message", problem.message},
                                           {"type", type_of(problem.status)},
                                           {"code", problem.code}}}};
    // Messages may quote what a client sent.
    response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  response.status = problem.status;
  response.headers.insert(response.headers.end(), problem.headers.begin(), problem.headers.end());
  return response;
}

HttpProblem to_problem(const ApiError& error) {
  using Kind = ApiError::Kind;
  HttpProblem problem = {error.status(), "", error.what()};
  switch (error.kind()) {
    case Kind::kInvalid: problem.code = "invalid_request"; break;
    case Kind::kContextLength: problem.code = "context_length_exceeded"; break;
    case Kind::kUnauthorized: problem.code = "invalid_api_key"; break;
    case Kind::kForbidden: problem.code = "forbidden"; break;
    case Kind::kNotFound: problem.code = "not_found"; break;
    case Kind::kMethod: problem.code = "method_not_allowed"; break;
    case Kind::kTimeout: problem.code = "timeout"; break;
    case Kind::kTooLarge: problem.code = "request_too_large"; break;
    case Kind::kUnsupportedType: problem.code = "unsupported_type"; break;
    case Kind::kOverloaded: problem.code = "overloaded"; break;
    case Kind::kInternal: problem.code = "internal_error"; break;
    case Kind::kUnavailable: problem.code = "unavailable"; break;
  }
  if (error.status() == 429 || error.status() == 503) {
    problem.headers.emplace_back("Retry-After", "1");
  }
  return problem;
}

}  // namespace hearth
