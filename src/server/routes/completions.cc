// POST /v1/completions
#include "server/dialect/openai_error.h"
#include "server/routes/completion_answer.h"
#include "server/routes/completion_request.h"
#include "server/routes/routes.h"

namespace hearth {

Route completions_route(AnswerService& service, const ApiSettings& settings) {
  return {
      .method = "POST",
      .path = "/v1/completions",
      .handle = with_openai_errors([&service, settings](const std::shared_ptr<Exchange>& exchange) {
        const Json body = parse_json(exchange->request().body);
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
        answer(service, settings, exchange, std::move(plan));
      })};
}

}  // namespace hearth
