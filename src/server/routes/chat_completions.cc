// POST /v1/chat/completions
#include "server/dialect/answering_route.h"
#include "server/dialect/openai_error.h"
#include "server/routes/chat_answer.h"
#include "server/routes/chat_request.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

AnswerPlan chat_completion_plan(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  ChatCall call = chat_call(JsonFields(body), api.service.default_sampling());
  AnswerPlan plan;
  plan.stream = call.sending.stream;
  plan.writer = chat_writer({.id = "chatcmpl-" + api.settings.new_id(),
                             .created = api.settings.now(),
                             .model = api.service.model_name(),
                             .version = api.settings.version,
                             .both_reasoning_fields = api.settings.both_reasoning_fields,
                             .logprobs = call.request.top_logprobs.has_value(),
                             .choices = call.request.choices,
                             .sending = call.sending});
  plan.requests.push_back(std::move(call.request));
  return plan;
}

}  // namespace

Route chat_completions_route(const std::shared_ptr<Api>& api) {
  return answering_route("/v1/chat/completions", api, chat_completion_plan, openai_refusal);
}

}  // namespace hearth
