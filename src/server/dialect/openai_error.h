// Errors as OpenAI's clients expect them: {"error": {"message", "type", "param", "code"}}.
#pragma once

#include "answer/api_error.h"
#include "server/dialect/json_fields.h"
#include "server/http/exchange.h"

namespace hearth {

/// Of a whole body, or of a chunk in a stream.
Json openai_error(const ApiError& error);

/// A whole answer. What OpenAI's clients read of it has no place for the id of the request.
HttpResponse openai_refusal(const ApiError& error, const std::string& request_id = {});

/// JSON, as a whole answer.
HttpResponse json_response(const Json& json);

/// Headers that say when to try again, or that it is of no use: OpenAI's and Anthropic's clients
/// read both.
HttpHeaders retry_headers(const ApiError& error);

/// A handler whose ApiErrors become answers. Anything else that it throws is for the server.
template <typename Handle>
auto with_openai_errors(Handle handle) {
  return [handle](const std::shared_ptr<Exchange>& exchange) {
    try {
      handle(exchange);
    } catch (const ApiError& error) {
      exchange->respond(openai_refusal(error));
    }
  };
}

}  // namespace hearth
