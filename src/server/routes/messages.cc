// POST /v1/messages and /v1/messages/count_tokens: the Messages API of Anthropic, for Claude Code
// and Anthropic's libraries. Any anthropic-version and anthropic-beta will do.
#include <functional>
#include <memory>
#include <utility>

#include "server/dialect/answering_route.h"
#include "server/dialect/anthropic_error.h"
#include "server/dialect/object_writer.h"
#include "server/routes/messages_answer.h"
#include "server/routes/messages_request.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

class MessagesWriter : public ObjectWriter<MessagesAnswer> {
 public:
  MessagesWriter(MessagesHead head, bool stream, std::function<int64_t()> now,
                 std::string request_id)
      : ObjectWriter(MessagesAnswer(std::move(head)), stream, std::move(now)),
        request_id_(std::move(request_id)) {}

  HttpResponse refuse(const ApiError& error) override {
    return anthropic_refusal(error, request_id_);
  }

 private:
  std::string request_id_;
};

AnswerPlan message_plan(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  MessagesRequest request = messages_request(body, api.service.default_sampling());
  MessagesHead head = {.id = "msg_" + api.settings.new_id(),
                       .model = api.service.model_name(),
                       .thinking = request.thinking};
  AnswerPlan plan;
  plan.stream = request.stream;
  plan.writer =
      std::make_unique<MessagesWriter>(std::move(head), request.stream, api.settings.now, http.id);
  plan.requests.push_back(std::move(request.answer));
  return plan;
}

HttpResponse count_tokens(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  const MessagesRequest request = messages_request(body, api.service.default_sampling());
  const size_t tokens = api.service.prepare(request.answer).tokens.size();
  return {.body = to_text({{"input_tokens", tokens}})};
}

}  // namespace

Route messages_route(const std::shared_ptr<Api>& api) {
  Route route = answering_route("/v1/messages", api, message_plan, anthropic_refusal);
  route.error_form = anthropic_error_form;
  return route;
}

Route count_tokens_route(const std::shared_ptr<Api>& api) {
  return computing_route("/v1/messages/count_tokens", api, count_tokens, anthropic_refusal);
}

}  // namespace hearth
