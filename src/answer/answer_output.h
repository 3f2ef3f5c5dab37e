// The tokens of one choice, turned into the events that its reader hears: reasoning, answer and
// tool calls, each as soon as it is certain. Streaming or not, and in every dialect, an answer is
// what these events say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/answer_event.h"
#include "answer/answer_request.h"
#include "text/output_parser.h"
#include "text/stop_strings.h"
#include "text/tokenizer.h"
#include "text/tool_call_parser.h"

namespace hearth {

/// Passes on no half of a character, of a stop string or of a tag.
///
/// Raw inputs are answered with text alone. Tool calls are looked for where the request has tools
/// and may use them; stop strings count in the answer, not in reasoning or calls. A call within
/// reasoning counts where the output ends with it: models forget to end their reasoning first.
class AnswerOutput {
 public:
  using Event = decltype(AnswerEvent::what);

  /// The tokenizer must outlive it. Throws UsageError for an empty stop string.
  AnswerOutput(const Tokenizer& tokenizer, const AnswerRequest& request, bool starts_in_thinking);
  AnswerOutput(const AnswerOutput&) = delete;
  AnswerOutput& operator=(const AnswerOutput&) = delete;

  /// What is certain with a token that is not an end token. `logprobs` go with its text.
  std::vector<Event> push(int32_t token, std::optional<PlaceLogprobs> logprobs = {});

  /// Nothing follows. The last event is ChoiceFinished.
  std::vector<Event> finish(FinishReason reason);

  /// The token that must come next, to keep reasoning within its budget; negative: none.
  int32_t forced_token() const;

  /// Whether no more tokens are wanted: a stop string came, or the one call that may be made.
  bool done() const { return stops_.stopped() || called_once_; }

  int64_t thinking_tokens() const { return parser_.thinking_tokens(); }

 private:
  void take(const OutputPiece& piece);
  void think(const std::string& text);
  void rehearse(std::vector<ToolPiece> pieces);
  void end_thinking();
  void answer(const std::string& text);
  void take_answer(std::vector<ToolPiece> pieces);
  void call(const ToolPiece& piece);
  void flush_stops();
  void emit(TextDelta::Part part, std::string text);
  void end_calls(FinishReason reason);
  ChoiceFinished::Reason reason_of(FinishReason reason) const;

  const bool split_;  // false: all is answer, as it comes
  const bool parallel_;
  const std::optional<int64_t> thinking_budget_;
  const std::optional<int32_t> thinking_end_;
  const ToolSchemas schemas_;  // empty: no calls
  OutputParser parser_;
  StreamDecoder decoder_;  // when nothing is split off
  StopStrings stops_;

  ToolCallParser calls_;
  int64_t call_index_ = 0;
  bool called_once_ = false;  // and may not call again
  bool said_something_ = false;

  // Calls within reasoning.
  std::optional<ToolCallParser> thought_calls_;
  std::string thought_;                // what was not passed on yet
  std::vector<ToolPiece> rehearsal_;   // calls in it
  std::vector<ToolPiece> last_words_;  // calls that the reasoning ended with

  std::vector<PlaceLogprobs> waiting_;  // for text to go with
  std::vector<Event> events_;
};

}  // namespace hearth
