// POST /tokenize: the tokens of a text, as llama.cpp's server tells them.
#include "server/dialect/answering_route.h"
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

constexpr size_t kBodyBytesMax = 16 << 20;

bool is_utf8(const std::string& bytes) {
  try {
    Json(bytes).dump();
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

/// A text, or bytes where it is only a part of a character.
Json piece_of(const std::string& bytes) {
  if (is_utf8(bytes)) return bytes;
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

Json tokens_of(const AnswerService& service, const JsonFields& body) {
  // vLLM's clients call the text a prompt.
  const char* const key = body.has("content") ? "content" : "prompt";
  if (!body.has(key)) body.fail("content", "is missing; it must be a string");
  const std::vector<int32_t> tokens =
      service.tokenize(*body.text(key), body.boolean("parse_special").value_or(true));
  if (!body.boolean("with_pieces").value_or(false)) return {{"tokens", tokens}};
  Json list = Json::array();
  for (const int32_t token : tokens) {
    list.push_back({{"id", token}, {"piece", piece_of(service.detokenize({token}))}});
  }
  return {{"tokens", std::move(list)}};
}

HttpResponse tokenize(const Api& api, const HttpRequest& http) {
  const Json body = parse_json(http.body);
  return json_response(tokens_of(api.service, JsonFields(body)));
}

}  // namespace

Route tokenize_route(const std::shared_ptr<Api>& api) {
  Route route = computing_route("/tokenize", api, tokenize, openai_refusal);
  route.body_bytes_max = kBodyBytesMax;
  return route;
}

}  // namespace hearth
