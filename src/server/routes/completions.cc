// POST /v1/completions
#include "server/dialect/limits.h"
#include "server/dialect/openai_error.h"
#include "server/routes/completion_answer.h"
#include "server/routes/completion_request.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

AnswerPlan plan_of(const AnswerService& service, const ApiSettings& settings,
                   const HttpRequest& http) {
  const Json body = parse_json(http.body);
  CompletionCall call = completion_call(JsonFields(body), service);
  AnswerPlan plan;
  plan.stream = call.sending.stream;
  plan.writer = completion_writer({.id = new_id(settings, "cmpl-"),
                                   .created = now_of(settings),
                                   .model = service.model_name(),
                                   .version = settings.version,
                                   .choices = call.requests.front().choices,
                                   .prompts = call.requests.size(),
                                   .echoes = std::move(call.echoes),
                                   .sending = call.sending,
                                   .logprobs = call.logprobs});
  plan.requests = std::move(call.requests);
  return plan;
}

}  // namespace

Route completions_route(AnswerService& service, const ApiSettings& settings) {
  return {.method = "POST",
          .path = "/v1/completions",
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
