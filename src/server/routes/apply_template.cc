// POST /apply-template: the prompt that a conversation becomes, as llama.cpp's server tells it.
#include "server/dialect/answering_route.h"
#include "server/dialect/openai_error.h"
#include "server/routes/chat_request.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

HttpResponse apply_template(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  const ChatCall call = chat_call(JsonFields(body), api.service.default_sampling());
  return json_response({{"prompt", api.service.prepare(call.request).text}});
}

}  // namespace

Route apply_template_route(const std::shared_ptr<Api>& api) {
  return computing_route("/apply-template", api, apply_template, openai_refusal);
}

}  // namespace hearth
