// POST /v1/messages and /v1/messages/count_tokens: the Messages API of Anthropic, for Claude Code
// and Anthropic's libraries. Any anthropic-version and anthropic-beta will do.
#pragma once

#include "answer/answer_service.h"
#include "server/dialect/api_settings.h"
#include "server/http/exchange.h"

namespace hearth {

/// The service outlives the routes and their exchanges.
Route messages_route(AnswerService& service, const ApiSettings& settings);
Route count_tokens_route(AnswerService& service, const ApiSettings& settings);

}  // namespace hearth
