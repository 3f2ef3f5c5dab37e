#include "server/routes/responses.h"

#include <memory>
#include <utility>

#include "server/dialect/answer_stream.h"
#include "server/dialect/openai_error.h"
#include "server/routes/responses_answer.h"
#include "server/routes/responses_request.h"

namespace hearth {
namespace {

class ResponsesWriter : public AnswerWriter {
 public:
  ResponsesWriter(ResponsesHead head, bool stream, ApiSettings settings)
      : answer_(std::move(head)), stream_(stream), settings_(std::move(settings)) {}

  std::string take(size_t, const AnswerEvent& event) override {
    std::string frames = answer_.take(event, static_cast<double>(now_of(settings_)));
    return stream_ ? frames : "";
  }

  std::string finish() override { return stream_ ? "" : to_text(answer_.object()); }

  /// Codex makes its conversation shorter when a stream says that it is too long, but not when the
  /// status does. So says OpenAI's server, too.
  HttpResponse refuse(const ApiError& error) override {
    if (!stream_ || error.kind() != ApiError::Kind::kContextLength) return openai_refusal(error);
    return {.status = 200, .content_type = "text/event-stream", .body = fail(error)};
  }

  std::string fail(const ApiError& error) override {
    return answer_.take({.what = AnswerFailed{error}}, static_cast<double>(now_of(settings_)));
  }

 private:
  ResponsesAnswer answer_;
  bool stream_;
  ApiSettings settings_;
};

}  // namespace

Route responses_route(AnswerService& service, const ApiSettings& settings) {
  return {
      .method = "POST",
      .path = "/v1/responses",
      .handle = with_openai_errors([&service, settings](const std::shared_ptr<Exchange>& exchange) {
        const Json body = parse_json(exchange->request().body);
        ResponsesRequest request = responses_request(body, service.default_sampling());
        ResponsesHead head = {.id = new_id(settings, "resp_"),
                              .model = service.model_name(),
                              .created_at = now_of(settings),
                              .echo = std::move(request.echo),
                              .carries_reasoning = request.carries_reasoning};
        AnswerPlan plan = {.requests = {}, .stream = request.stream, .writer = nullptr};
        plan.requests.push_back(std::move(request.answer));
        plan.writer = std::make_unique<ResponsesWriter>(std::move(head), request.stream, settings);
        answer(service, settings, exchange, std::move(plan));
      })};
}

}  // namespace hearth
