// A request to the Responses API of OpenAI.
#pragma once

#include "answer/answer_request.h"
#include "server/dialect/json_fields.h"

namespace hearth {

struct ResponsesRequest {
  AnswerRequest answer;
  bool stream = false;
  bool carries_reasoning = false;  // `include` asks for reasoning.encrypted_content
  Json echo;                       // fields of the answer that repeat the request
};

/// `sampling` is where the request's own starts. Throws ApiError.
ResponsesRequest responses_request(const Json& body, const SamplingParameters& sampling);

}  // namespace hearth
