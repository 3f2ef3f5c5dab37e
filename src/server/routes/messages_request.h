// A request to the Messages API of Anthropic.
#pragma once

#include "answer/answer_request.h"
#include "server/dialect/json_fields.h"
#include "server/routes/messages_answer.h"

namespace hearth {

struct MessagesRequest {
  AnswerRequest answer;
  bool stream = false;
  ThinkingBlocks thinking = ThinkingBlocks::kHidden;
};

/// `sampling` is where the request's own starts. Throws ApiError.
MessagesRequest messages_request(const Json& body, const SamplingParameters& sampling);

}  // namespace hearth
