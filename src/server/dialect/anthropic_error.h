// Errors as Anthropic's clients expect them: {"type": "error", "error": {"type", "message"}}.
#pragma once

#include <string>

#include "answer/api_error.h"
#include "server/dialect/json_fields.h"
#include "server/http/exchange.h"

namespace hearth {

/// Of an event in a stream.
Json anthropic_error(const ApiError& error);

/// A whole answer, which also has "request_id".
HttpResponse anthropic_refusal(const ApiError& error, const std::string& request_id);
/// The same for what the server refuses by itself.
HttpResponse anthropic_error_form(int status, const std::string& message,
                                  const std::string& request_id);

}  // namespace hearth
