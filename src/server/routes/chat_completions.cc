// POST /v1/chat/completions
#include "server/dialect/limits.h"
#include "server/dialect/openai_error.h"
#include "server/routes/chat_answer.h"
#include "server/routes/chat_request.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

AnswerPlan plan_of(const AnswerService& service, const ApiSettings& settings,
                   const HttpRequest& http) {
  const Json body = parse_json(http.body);
  ChatCall call = chat_call(JsonFields(body), service.default_sampling());
  AnswerPlan plan;
  plan.stream = call.sending.stream;
  plan.writer = chat_writer({.id = new_id(settings, "chatcmpl-"),
                             .created = now_of(settings),
                             .model = service.model_name(),
                             .version = settings.version,
                             .both_reasoning_fields = settings.both_reasoning_fields,
                             .logprobs = call.request.top_logprobs.has_value(),
                             .choices = call.request.choices,
                             .sending = call.sending});
  plan.requests.push_back(std::move(call.request));
  return plan;
}

}  // namespace

Route chat_completions_route(AnswerService& service, const ApiSettings& settings) {
  return {.method = "POST",
          .path = "/v1/chat/completions",
          .handle =
              [&service, settings](const std::shared_ptr<Exchange>& exchange) {
                const auto understand = [&service](const ApiSettings& kept,
                                                   const HttpRequest& request) {
                  return plan_of(service, kept, request);
                };
                answer_body(service, settings, exchange, understand, openai_refusal);
              },
          .body_bytes_max = kLimits.body_bytes};
}

}  // namespace hearth
