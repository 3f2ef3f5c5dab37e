// The tokens of one answer as events: text alone, reasoning apart, ended at stop strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "answer/answer_event.h"
#include "answer/answer_request.h"
#include "engine/constraint.h"
#include "text/output_parser.h"
#include "text/stop_strings.h"
#include "text/tokenizer.h"

namespace hearth {

class PlainOutput {
 public:
  using Event = decltype(AnswerEvent::what);

  /// The tokenizer must outlive it. Throws UsageError for an empty stop string.
  PlainOutput(const Tokenizer& tokenizer, const AnswerRequest& request, bool starts_in_thinking);

  /// A token of the answer, and what becomes certain with it.
  std::vector<Event> push(int32_t token, std::optional<PlaceLogprobs> logprobs);
  /// The end: the text that is left, and ChoiceFinished.
  std::vector<Event> finish(FinishReason reason);

  /// Whether nothing may follow.
  bool done() const { return stops_.stopped(); }
  /// The token that must come next; negative: any.
  int32_t forced_token() const;
  Constraint* constraint() { return nullptr; }

 private:
  void add(const OutputPiece& piece, std::vector<Event>& events);
  void tell(TextDelta::Part part, std::string text, std::vector<Event>& events);
  std::string stop_string() const;

  bool raw_;  // no reasoning is split off
  std::optional<int64_t> thinking_budget_;
  std::optional<int32_t> thinking_end_;
  OutputParser parser_;
  StreamDecoder decoder_;  // when it is raw
  StopStrings stops_;
  std::vector<std::string> stop_;
  std::string answer_;                   // with what stop strings took away
  size_t told_ = 0;                      // bytes of it
  std::vector<PlaceLogprobs> logprobs_;  // of tokens whose text has not been told
};

}  // namespace hearth
