// The body of a request for Completions, understood: texts or tokens to continue as they are.
// https://platform.openai.com/docs/api-reference/completions/create
#pragma once

#include <string>
#include <vector>

#include "answer/answer_service.h"
#include "server/dialect/openai_fields.h"

namespace hearth {

struct CompletionCall {
  std::vector<AnswerRequest> requests;  // one for each prompt, with a RawInput
  std::vector<std::string> echoes;      // the prompts' texts, where they come before the answers
  StreamFields sending;
  bool logprobs = false;
};

/// Throws ApiError.
CompletionCall completion_call(const JsonFields& body, const AnswerService& service);

}  // namespace hearth
