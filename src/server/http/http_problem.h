// Why the server itself turns a request away, before or instead of a handler.
#pragma once

#include <string>

#include "answer/api_error.h"
#include "server/http/exchange.h"

namespace hearth {

struct HttpProblem {
  int status = 400;
  std::string code;     // for programs: "headers_too_large"
  std::string message;  // for people: what, where, what to do
  HttpHeaders headers = {};
};

/// In a form, or where there is none {"error": {"message", "type", "code"}}; the type follows from
/// the status.
HttpResponse to_response(const HttpProblem& problem, ErrorForm form, const std::string& request_id);

/// Of an error that a handler let through.
HttpProblem to_problem(const ApiError& error);

}  // namespace hearth
