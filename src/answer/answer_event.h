// What becomes of a request, as it happens. Each dialect of the server writes these down its own
// way, streaming or not; a terminal shows them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "answer/api_error.h"
#include "engine/generation.h"

namespace hearth {

/// A token and how likely it was.
struct TokenLogprob {
  int32_t token = 0;
  double logprob = 0;      // natural logarithm, of the model's own distribution
  std::string bytes = {};  // of the token; may be part of a character
};

/// A token of the answer (or prompt) and the likeliest in its place, the likeliest first.
struct PlaceLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top = {};
};

/// The prompt is understood and the request queued. The first event, unless it is AnswerFailed.
struct AnswerAccepted {
  int64_t prompt_tokens = 0;
};

/// So much of the prompt is computed. At most one per forward pass.
struct PromptProgress {
  int64_t done = 0;
  int64_t cached = 0;
};

/// Logprobs of the prompt's tokens, the first of which has none: chosen.logprob 0 and no top.
struct PromptLogprobs {
  std::vector<PlaceLogprobs> tokens;
};

/// More of the reasoning or of the answer; whole characters.
struct TextDelta {
  enum class Part : uint8_t { kThinking, kAnswer };
  Part part = Part::kAnswer;
  std::string text = {};
  std::vector<PlaceLogprobs> logprobs = {};  // of the tokens behind it, where they were asked for
};

/// The model calls a tool. Calls are numbered from 0 within their choice.
struct ToolCallBegin {
  int64_t index = 0;
  std::string id;    // "call_" and 24 letters and digits; never used twice
  std::string name;  // whole
};

/// More of a call's arguments; all of them together are one JSON object, unless the answer was cut
/// off within them (ChoiceFinished::Reason::kLength): half of a call is not to be acted on.
struct ToolCallArguments {
  int64_t index = 0;
  std::string text;
};

struct ToolCallEnd {
  int64_t index = 0;
};

/// A choice has ended.
struct ChoiceFinished {
  enum class Reason : uint8_t { kEnd, kStop, kLength, kToolCalls };
  Reason reason = Reason::kEnd;
  std::string stop_string = {};  // of kStop
  int64_t thinking_tokens = 0;
};

/// The last event: every choice has ended. Tokens are those of all choices.
struct AnswerDone {
  GenerationUsage usage;
  int64_t thinking_tokens = 0;
};

/// The last event: there is no (more) answer.
struct AnswerFailed {
  ApiError error;
};

struct AnswerEvent {
  int64_t choice = 0;
  std::variant<AnswerAccepted, PromptProgress, PromptLogprobs, TextDelta, ToolCallBegin,
               ToolCallArguments, ToolCallEnd, ChoiceFinished, AnswerDone, AnswerFailed>
      what;
};

/// Hears the events of one request.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;

  /// In a thread of the service, one event at a time. Must not block.
  virtual void take(AnswerEvent event) noexcept = 0;

  /// Whether the reader is behind. The request then rests until AnswerService::resume.
  virtual bool full() const noexcept { return false; }
};

}  // namespace hearth
