// POST /apply-template: the prompt that a conversation becomes, as llama.cpp's server tells it.
#include "server/dialect/limits.h"
#include "server/dialect/openai_error.h"
#include "server/routes/chat_request.h"
#include "server/routes/routes.h"

namespace hearth {

Route apply_template_route(AnswerService& service, const ApiSettings& settings) {
  return {
      .method = "POST",
      .path = "/apply-template",
      .handle = with_openai_errors([&service, settings](const std::shared_ptr<Exchange>& exchange) {
        const auto make = [&service, exchange] {
          const Json body = parse_json(exchange->request().body);
          const ChatCall call = chat_call(JsonFields(body), service.default_sampling());
          return json_response({{"prompt", service.prepare(call.request).text}});
        };
        respond_later(*settings.background, exchange, make, openai_refusal);
      }),
      .body_bytes_max = kLimits.body_bytes};
}

}  // namespace hearth
