// What the server answers to. Each route is one file, and one row in routes.cc.
#pragma once

#include <vector>

#include "answer/answer_service.h"
#include "server/dialect/api_settings.h"
#include "server/http/exchange.h"

namespace hearth {

/// Every route under each of its paths. `service` outlives them.
std::vector<Route> all_routes(AnswerService& service, const ApiSettings& settings);

Route apply_template_route(AnswerService& service, const ApiSettings& settings);
Route chat_completions_route(AnswerService& service, const ApiSettings& settings);
Route completions_route(AnswerService& service, const ApiSettings& settings);
Route detokenize_route(AnswerService& service, const ApiSettings& settings);
Route embeddings_route(AnswerService& service, const ApiSettings& settings);
Route health_route(AnswerService& service, const ApiSettings& settings);
Route livez_route(AnswerService& service, const ApiSettings& settings);
Route metrics_route(AnswerService& service, const ApiSettings& settings);
Route model_route(AnswerService& service, const ApiSettings& settings);
Route models_route(AnswerService& service, const ApiSettings& settings);
Route openapi_route(AnswerService& service, const ApiSettings& settings);
Route props_route(AnswerService& service, const ApiSettings& settings);
Route root_route(AnswerService& service, const ApiSettings& settings);
Route slots_route(AnswerService& service, const ApiSettings& settings);
Route tokenize_route(AnswerService& service, const ApiSettings& settings);
Route tokenizer_info_route(AnswerService& service, const ApiSettings& settings);

}  // namespace hearth
