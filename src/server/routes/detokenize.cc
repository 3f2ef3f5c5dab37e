// POST /detokenize: the text of tokens, as llama.cpp's server tells it and, as `prompt`, vLLM's.
#include <limits>

#include "server/dialect/answering_route.h"
#include "server/dialect/limits.h"
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

constexpr size_t kBodyBytesMax = 16 << 20;

std::vector<int32_t> tokens_of(const JsonFields& body) {
  const Json* const ids = body.array("tokens", kLimits.tokens);
  if (!ids) body.fail("tokens", "is missing; it must be an array of token ids");
  std::vector<int32_t> tokens;
  for (const Json& id : *ids) {
    const bool fits =
        id.is_number_unsigned() && id.get<uint64_t>() <= std::numeric_limits<int32_t>::max();
    if (!fits) body.fail("tokens[" + std::to_string(tokens.size()) + "]", "must be a token id");
    tokens.push_back(id.get<int32_t>());
  }
  return tokens;
}

HttpResponse detokenize(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  const std::string text = api.service.detokenize(tokens_of(JsonFields(body)));
  return json_response({{"content", text}, {"prompt", text}});
}

}  // namespace

Route detokenize_route(const std::shared_ptr<Api>& api) {
  Route route = computing_route("/detokenize", api, detokenize, openai_refusal);
  route.body_bytes_max = kBodyBytesMax;
  return route;
}

}  // namespace hearth
