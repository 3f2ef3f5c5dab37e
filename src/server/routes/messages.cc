#include "server/routes/messages.h"

#include <memory>
#include <utility>

#include "server/dialect/answer_stream.h"
#include "server/dialect/background.h"
#include "server/dialect/openai_error.h"
#include "server/routes/messages_answer.h"
#include "server/routes/messages_request.h"

namespace hearth {
namespace {

HttpResponse anthropic_refusal(const ApiError& error, const std::string& request_id) {
  Json body = anthropic_error(error);
  body["request_id"] = request_id;
  HttpHeaders headers = retry_headers(error);
  headers.emplace_back("request-id", request_id);
  return {.status = error.status(), .body = to_text(body), .headers = std::move(headers)};
}

class MessagesWriter : public AnswerWriter {
 public:
  MessagesWriter(MessagesHead head, bool stream, std::string request_id, ApiSettings settings)
      : answer_(std::move(head)),
        stream_(stream),
        request_id_(std::move(request_id)),
        settings_(std::move(settings)) {}

  std::string take(size_t, const AnswerEvent& event) override {
    std::string frames = answer_.take(event, static_cast<double>(now_of(settings_)));
    return stream_ ? frames : "";
  }

  std::string finish() override { return stream_ ? "" : to_text(answer_.object()); }

  HttpResponse refuse(const ApiError& error) override {
    return anthropic_refusal(error, request_id_);
  }

  std::string fail(const ApiError& error) override {
    return answer_.take({.what = AnswerFailed{error}}, static_cast<double>(now_of(settings_)));
  }

 private:
  MessagesAnswer answer_;
  bool stream_;
  std::string request_id_;
  ApiSettings settings_;
};

/// A handler whose ApiErrors become answers. Anything else that it throws is for the server.
template <typename Handle>
auto with_anthropic_errors(Handle handle) {
  return [handle](const std::shared_ptr<Exchange>& exchange) {
    try {
      handle(exchange);
    } catch (const ApiError& error) {
      exchange->respond(anthropic_refusal(error, exchange->request().id));
    }
  };
}

}  // namespace

Route messages_route(AnswerService& service, const ApiSettings& settings) {
  return {.method = "POST",
          .path = "/v1/messages",
          .handle = with_anthropic_errors(
              [&service, settings](const std::shared_ptr<Exchange>& exchange) {
                const Json body = parse_json(exchange->request().body);
                MessagesRequest request = messages_request(body, service.default_sampling());
                MessagesHead head = {.id = new_id(settings, "msg_"),
                                     .model = service.model_name(),
                                     .thinking = request.thinking};
                AnswerPlan plan = {.requests = {}, .stream = request.stream, .writer = nullptr};
                plan.requests.push_back(std::move(request.answer));
                plan.writer = std::make_unique<MessagesWriter>(std::move(head), request.stream,
                                                               exchange->request().id, settings);
                answer(service, settings, exchange, std::move(plan));
              })};
}

Route count_tokens_route(AnswerService& service, const ApiSettings& settings) {
  return {.method = "POST",
          .path = "/v1/messages/count_tokens",
          .handle = with_anthropic_errors(
              [&service, settings](const std::shared_ptr<Exchange>& exchange) {
                const Json body = parse_json(exchange->request().body);
                MessagesRequest request = messages_request(body, service.default_sampling());
                const auto count = [&service, answer = std::move(request.answer)] {
                  const size_t tokens = service.prepare(answer).tokens.size();
                  return HttpResponse{.body = to_text({{"input_tokens", tokens}})};
                };
                const auto refuse = [id = exchange->request().id](const ApiError& error) {
                  return anthropic_refusal(error, id);
                };
                respond_later(*settings.background, exchange, count, refuse);
              })};
}

}  // namespace hearth
