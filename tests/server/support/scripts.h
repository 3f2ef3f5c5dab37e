// Events of made-up answers, and what is read back from streams.
#pragma once

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "answer/answer_event.h"
#include "answer/api_error.h"

namespace hearth::testing {

using Script = std::vector<AnswerEvent>;

AnswerEvent thinking(const std::string& text);
AnswerEvent text(const std::string& text);
/// Begin, the pieces of the arguments, end.
Script call(int64_t index, const std::string& name, const std::vector<std::string>& arguments);
/// Of 12 prompt tokens, 5 cached, and 7 generated, 3 of them reasoning.
Script ending(ChoiceFinished::Reason reason, const std::string& stop = "");

/// Accepted, the parts, ending.
Script answer_of(const std::vector<Script>& parts, ChoiceFinished::Reason reason);

/// An answer with reasoning, texts and calls in any order; sometimes cut off within one.
Script random_answer(std::mt19937_64& random);

struct SseEvent {
  std::string name;
  nlohmann::ordered_json data;
};

/// The events of a whole stream; fails the test for what is none.
std::vector<SseEvent> sse_events(const std::string& stream);
std::vector<std::string> names(const std::vector<SseEvent>& events);

/// Changes one to four places of a body: values of wrong kinds and sizes, fields gone, doubled or
/// renamed.
void damage(nlohmann::ordered_json& body, std::mt19937_64& random);

}  // namespace hearth::testing
