// Routes whose requests take a while to understand or to work out. Every other connection has the
// same thread: what takes more than a moment is done in the background.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/dialect/answer_stream.h"
#include "server/dialect/api.h"
#include "server/http/exchange.h"

namespace hearth {

/// The answer to a request with that id that gets no other one.
using Refusal = HttpResponse (*)(const ApiError& error, const std::string& request_id);

/// POST of a body that becomes requests for the model: what a dialect makes of it. `plan_of` runs
/// in the background where the body is a large one. What it throws, and a background that is full,
/// is answered by `refuse`.
using PlanOf = std::function<AnswerPlan(const Api& api, const HttpRequest& request)>;
Route answering_route(const std::string& path, const std::shared_ptr<Api>& api, PlanOf plan_of,
                      Refusal refuse);

/// POST of a body that the server itself answers, from the background. Errors likewise.
using Compute = std::function<HttpResponse(const Api& api, const HttpRequest& request)>;
Route computing_route(const std::string& path, const std::shared_ptr<Api>& api, Compute compute,
                      Refusal refuse);

}  // namespace hearth
