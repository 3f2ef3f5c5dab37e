// What an answer has to look like, as grammars: its format, and the tool calls it must or may make.
#pragma once

#include <cstdint>
#include <vector>

#include "answer/answer_request.h"
#include "text/chat_template.h"
#include "text/grammar.h"

namespace hearth {

/// How a model was taught to write tool calls.
enum class CallForm : uint8_t {
  kNone,  // the template knows no tools
  kJson,  // <tool_call>{"name": …, "arguments": {…}}</tool_call>
  kXml,   // <tool_call><function=NAME><parameter=NAME>…</parameter></function></tool_call>
};

/// The form that a template tells the model about.
CallForm call_form(const ChatTemplate& chat_template);

/// The grammar of the answer first; empty: it is free. Throws ApiError for a tool choice that
/// cannot be.
std::vector<Grammar> answer_grammars(const AnswerRequest& request, CallForm form);

}  // namespace hearth
