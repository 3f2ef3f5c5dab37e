// POST /v1/responses: the Responses API of OpenAI. Codex speaks nothing else.
#pragma once

#include "answer/answer_service.h"
#include "server/dialect/api_settings.h"
#include "server/http/exchange.h"

namespace hearth {

/// The service outlives the route and its exchanges.
Route responses_route(AnswerService& service, const ApiSettings& settings);

}  // namespace hearth
