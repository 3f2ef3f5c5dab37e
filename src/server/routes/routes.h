// What the server answers to. Each route is one file, and one row in routes.cc.
#pragma once

#include <memory>
#include <vector>

#include "server/dialect/api.h"
#include "server/http/exchange.h"

namespace hearth {

/// Every route under each of its paths.
std::vector<Route> all_routes(const std::shared_ptr<Api>& api);

Route apply_template_route(const std::shared_ptr<Api>& api);
Route benchmark_route(const std::shared_ptr<Api>& api);
Route chat_completions_route(const std::shared_ptr<Api>& api);
Route completions_route(const std::shared_ptr<Api>& api);
Route count_tokens_route(const std::shared_ptr<Api>& api);
Route detokenize_route(const std::shared_ptr<Api>& api);
Route embeddings_route(const std::shared_ptr<Api>& api);
Route experts_route(const std::shared_ptr<Api>& api);
Route health_route(const std::shared_ptr<Api>& api);
Route livez_route(const std::shared_ptr<Api>& api);
Route memory_route(const std::shared_ptr<Api>& api);
Route messages_route(const std::shared_ptr<Api>& api);
Route metrics_route(const std::shared_ptr<Api>& api);
Route model_route(const std::shared_ptr<Api>& api);
Route models_route(const std::shared_ptr<Api>& api);
Route openapi_route(const std::shared_ptr<Api>& api);
Route props_route(const std::shared_ptr<Api>& api);
Route responses_route(const std::shared_ptr<Api>& api);
Route root_route(const std::shared_ptr<Api>& api);
Route slots_route(const std::shared_ptr<Api>& api);
Route tokenize_route(const std::shared_ptr<Api>& api);
Route tokenizer_info_route(const std::shared_ptr<Api>& api);

}  // namespace hearth
