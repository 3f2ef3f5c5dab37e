// Answers of Chat Completions, whole or in chunks:
// https://platform.openai.com/docs/api-reference/chat-streaming/streaming
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/dialect/answer_stream.h"
#include "server/dialect/openai_fields.h"

namespace hearth {

/// What all chunks of an answer have in common.
struct ChatHead {
  std::string id;
  int64_t created = 0;
  std::string model;
  std::string version;  // of hearth: the system's fingerprint
  bool both_reasoning_fields = false;
  bool logprobs = false;
  int64_t choices = 1;
  StreamFields sending;
};

/// A writer of the one kind or the other, as head.sending says.
std::unique_ptr<AnswerWriter> chat_writer(ChatHead head);

}  // namespace hearth
