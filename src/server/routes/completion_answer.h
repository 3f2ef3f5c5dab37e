// Answers of Completions, whole or in chunks, with logprobs in the form that came before Chat's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/dialect/answer_stream.h"
#include "server/dialect/openai_fields.h"

namespace hearth {

struct CompletionHead {
  std::string id;
  int64_t created = 0;
  std::string model;
  std::string version;  // of hearth: the system's fingerprint
  int64_t choices = 1;  // of each prompt
  size_t prompts = 1;
  std::vector<std::string> echoes = {};  // of the prompts, or none
  StreamFields sending = {};
  bool logprobs = false;
};

std::unique_ptr<AnswerWriter> completion_writer(CompletionHead head);

}  // namespace hearth
