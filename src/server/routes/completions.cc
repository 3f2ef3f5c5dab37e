// POST /v1/completions
#include "server/dialect/answering_route.h"
#include "server/dialect/openai_error.h"
#include "server/routes/completion_answer.h"
#include "server/routes/completion_request.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

AnswerPlan completion_plan(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  CompletionCall call = completion_call(JsonFields(body), api.service);
  AnswerPlan plan;
  plan.stream = call.sending.stream;
  plan.writer = completion_writer({.id = "cmpl-" + api.settings.new_id(),
                                   .created = api.settings.now(),
                                   .model = api.service.model_name(),
                                   .version = api.settings.version,
                                   .choices = call.requests.front().choices,
                                   .prompts = call.requests.size(),
                                   .echoes = std::move(call.echoes),
                                   .sending = call.sending,
                                   .logprobs = call.logprobs});
  plan.requests = std::move(call.requests);
  return plan;
}

}  // namespace

Route completions_route(const std::shared_ptr<Api>& api) {
  return answering_route("/v1/completions", api, completion_plan, openai_refusal);
}

}  // namespace hearth
