// POST /detokenize: the text of tokens, as llama.cpp's server tells it and, as `prompt`, vLLM's.
#include <limits>

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

}  // namespace

Route detokenize_route(AnswerService& service, const ApiSettings& settings) {
  return {
      .method = "POST",
      .path = "/detokenize",
      .handle = with_openai_errors([&service, settings](const std::shared_ptr<Exchange>& exchange) {
        const auto make = [&service, exchange] {
          const Json body = parse_json(exchange->request().body);
          const std::string text = service.detokenize(tokens_of(JsonFields(body)));
          return json_response({{"content", text}, {"prompt", text}});
        };
        respond_later(*settings.background, exchange, make, openai_refusal);
      }),
      .body_bytes_max = kBodyBytesMax};
}

}  // namespace hearth
