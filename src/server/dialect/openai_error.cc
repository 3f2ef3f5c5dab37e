#include "server/dialect/openai_error.h"

#include "base/check.h"

namespace hearth {
namespace {

using Kind = ApiError::Kind;

struct Form {
  const char* type;
  const char* code;  // null: none
};

Form form_of(Kind kind) {
  switch (kind) {
    case Kind::kInvalid: return {"invalid_request_error", nullptr};
    case Kind::kContextLength: return {"invalid_request_error", "context_length_exceeded"};
    case Kind::kUnauthorized: return {"authentication_error", "invalid_api_key"};
    case Kind::kForbidden: return {"permission_error", "forbidden"};
    case Kind::kNotFound: return {"invalid_request_error", "not_found"};
    case Kind::kMethod: return {"invalid_request_error", "method_not_allowed"};
    case Kind::kTimeout: return {"timeout_error", "timeout"};
    case Kind::kTooLarge: return {"invalid_request_error", "request_too_large"};
    case Kind::kUnsupportedType: return {"invalid_request_error", "unsupported_media_type"};
    case Kind::kOverloaded: return {"rate_limit_error", "overloaded"};
    case Kind::kInternal: return {"server_error", "internal_error"};
    case Kind::kUnavailable: return {"unavailable_error", "unavailable"};
  }
  CHECK(!"an unknown kind of error");
  return {};
}

}  // namespace

Json openai_error(const ApiError& error) {
  const Form form = form_of(error.kind());
  Json body = {{"message", error.what()}, {"type", form.type}, {"param", nullptr}};
  if (!error.parameter().empty()) body["param"] = error.parameter();
  body["code"] = form.code ? Json(form.code) : Json();
  return {{"error", std::move(body)}};
}

HttpHeaders retry_headers(const ApiError& error) {
  switch (error.kind()) {
    case Kind::kOverloaded: return {{"Retry-After", "1"}};
    case Kind::kUnavailable: return {{"Retry-After", "2"}};
    case Kind::kTimeout: return {};
    default: return {{"x-should-retry", "false"}};
  }
}

HttpResponse json_response(const Json& json) {
  HttpResponse response;
  response.body = to_text(json);
  return response;
}

HttpResponse openai_refusal(const ApiError& error, const std::string& /*request_id*/) {
  HttpResponse response = json_response(openai_error(error));
  response.status = error.status();
  response.headers = retry_headers(error);
  return response;
}

}  // namespace hearth
