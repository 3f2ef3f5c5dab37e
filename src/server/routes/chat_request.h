// The body of a request for Chat Completions, understood:
// https://platform.openai.com/docs/api-reference/chat/create
#pragma once

#include "answer/answer_request.h"
#include "server/dialect/openai_fields.h"

namespace hearth {

struct ChatCall {
  AnswerRequest request;  // with a ChatInput
  StreamFields sending;
};

/// Throws ApiError.
ChatCall chat_call(const JsonFields& body, const SamplingParameters& defaults);

}  // namespace hearth
