#include "answer/plain_output.h"

#include <utility>

namespace hearth {

PlainOutput::PlainOutput(const Tokenizer& tokenizer, const AnswerRequest& request,
                         bool starts_in_thinking)
    : raw_(std::holds_alternative<RawInput>(request.input)),
      thinking_budget_(request.thinking_budget),
      thinking_end_(tokenizer.token_id("</think>")),
      parser_(tokenizer, starts_in_thinking),
      decoder_(tokenizer, true),
      stops_(request.sampling.stop),
      stop_(request.sampling.stop) {}

std::vector<PlainOutput::Event> PlainOutput::push(int32_t token,
                                                  std::optional<PlaceLogprobs> logprobs) {
  std::vector<Event> events;
  if (logprobs) logprobs_.push_back(*std::move(logprobs));
  add(raw_ ? OutputPiece{"", decoder_.push(token)} : parser_.push(token), events);
  return events;
}

std::vector<PlainOutput::Event> PlainOutput::finish(FinishReason reason) {
  std::vector<Event> events;
  if (!done()) add(raw_ ? OutputPiece{"", decoder_.flush()} : parser_.flush(), events);
  ChoiceFinished finished;
  finished.thinking_tokens = parser_.thinking_tokens();
  if (done()) {
    finished.reason = ChoiceFinished::Reason::kStop;
    finished.stop_string = stop_string();
  } else if (reason == FinishReason::kLength) {
    finished.reason = ChoiceFinished::Reason::kLength;
  }
  std::string rest = stops_.flush();
  if (!rest.empty() || !logprobs_.empty()) tell(TextDelta::Part::kAnswer, std::move(rest), events);
  events.push_back(std::move(finished));
  return events;
}

int32_t PlainOutput::forced_token() const {
  const bool over = !raw_ && thinking_budget_ && parser_.in_thinking() &&
                    parser_.thinking_tokens() >= *thinking_budget_;
  return over && thinking_end_ ? *thinking_end_ : -1;
}

/// Stop strings end answers, not the reasoning before them.
void PlainOutput::add(const OutputPiece& piece, std::vector<Event>& events) {
  if (!piece.thinking.empty()) tell(TextDelta::Part::kThinking, piece.thinking, events);
  answer_ += piece.answer;
  std::string certain = stops_.push(piece.answer);
  if (!certain.empty()) tell(TextDelta::Part::kAnswer, std::move(certain), events);
}

void PlainOutput::tell(TextDelta::Part part, std::string text, std::vector<Event>& events) {
  if (part == TextDelta::Part::kAnswer) told_ += text.size();
  events.push_back(TextDelta{part, std::move(text), std::exchange(logprobs_, {})});
}

/// The one that stands where the text that was told ends, and was complete first.
std::string PlainOutput::stop_string() const {
  std::string found;
  for (const std::string& stop : stop_) {
    if (answer_.compare(told_, stop.size(), stop) != 0) continue;
    if (found.empty() || stop.size() < found.size()) found = stop;
  }
  return found;
}

}  // namespace hearth
