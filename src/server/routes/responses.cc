// POST /v1/responses: the Responses API of OpenAI. Codex speaks nothing else.
#include <functional>
#include <memory>
#include <utility>

#include "server/dialect/answering_route.h"
#include "server/dialect/object_writer.h"
#include "server/dialect/openai_error.h"
#include "server/routes/responses_answer.h"
#include "server/routes/responses_request.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

class ResponsesWriter : public ObjectWriter<ResponsesAnswer> {
 public:
  ResponsesWriter(ResponsesHead head, bool stream, std::function<int64_t()> now)
      : ObjectWriter(ResponsesAnswer(std::move(head)), stream, std::move(now)) {}

  /// Codex makes its conversation shorter when a stream says that it is too long, but not when the
  /// status does. So says OpenAI's server, too.
  HttpResponse refuse(const ApiError& error) override {
    if (!streams() || error.kind() != ApiError::Kind::kContextLength) return openai_refusal(error);
    return {.status = 200, .content_type = "text/event-stream", .body = fail(error)};
  }
};

AnswerPlan response_plan(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  ResponsesRequest request = responses_request(body, api.service.default_sampling());
  ResponsesHead head = {.id = "resp_" + api.settings.new_id(),
                        .model = api.service.model_name(),
                        .created_at = api.settings.now(),
                        .echo = std::move(request.echo),
                        .carries_reasoning = request.carries_reasoning};
  AnswerPlan plan;
  plan.stream = request.stream;
  plan.writer =
      std::make_unique<ResponsesWriter>(std::move(head), request.stream, api.settings.now);
  plan.requests.push_back(std::move(request.answer));
  return plan;
}

}  // namespace

Route responses_route(const std::shared_ptr<Api>& api) {
  return answering_route("/v1/responses", api, response_plan, openai_refusal);
}

}  // namespace hearth
