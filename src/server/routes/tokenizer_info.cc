// GET /tokenizer_info: the tokenizer's configuration, as vLLM's server tells it. lm-eval takes the
// special tokens from it, and then /tokenize and /detokenize for a tokenizer of its own.
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

Json info_of(const ApiSettings& settings) {
  Json info = Json::parse(settings.tokenizer_config, nullptr, /*allow_exceptions=*/false);
  if (!info.is_object()) info = Json::object();
  if (!settings.chat_template.empty()) info["chat_template"] = settings.chat_template;
  return info;
}

}  // namespace

Route tokenizer_info_route(const std::shared_ptr<Api>& api) {
  return {
      .method = "GET",
      .path = "/tokenizer_info",
      .handle = [response = json_response(info_of(api->settings))](
                    const std::shared_ptr<Exchange>& exchange) { exchange->respond(response); }};
}

}  // namespace hearth
