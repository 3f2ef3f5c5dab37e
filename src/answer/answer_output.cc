#include "answer/answer_output.h"

#include <random>
#include <utility>

namespace hearth {
namespace {

using Kind = ToolPiece::Kind;

ToolSchemas schemas_of(const AnswerRequest& request) {
  const auto* chat = std::get_if<ChatInput>(&request.input);
  const bool calls = chat && request.tool_choice.mode != ToolChoice::Mode::kNone;
  return ToolSchemas(calls ? chat->tools : nlohmann::ordered_json::array());
}

std::string call_id() {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  constexpr int kLength = 24;
  std::random_device random;
  std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
  std::string id = "call_";
  for (int i = 0; i < kLength; ++i) id += kLetters[letter(random)];
  return id;
}

}  // namespace

AnswerOutput::AnswerOutput(const Tokenizer& tokenizer, const AnswerRequest& request,
                           bool starts_in_thinking)
    : split_(std::holds_alternative<ChatInput>(request.input)),
      parallel_(request.tool_choice.parallel),
      thinking_budget_(request.thinking_budget),
      thinking_end_(tokenizer.token_id("</think>")),
      schemas_(schemas_of(request)),
      parser_(tokenizer, starts_in_thinking),
      decoder_(tokenizer, true),
      stops_(request.sampling.stop),
      calls_(schemas_, false) {}

std::vector<AnswerOutput::Event> AnswerOutput::push(int32_t token,
                                                    std::optional<PlaceLogprobs> logprobs) {
  if (done()) return {};
  if (!split_) {
    if (logprobs) waiting_.push_back(std::move(*logprobs));
    answer(decoder_.push(token));
    return std::exchange(events_, {});
  }
  const bool thinking = parser_.in_thinking();
  const OutputPiece piece = parser_.push(token);
  const bool frame = thinking != parser_.in_thinking();
  if (logprobs && !frame) waiting_.push_back(std::move(*logprobs));
  take(piece);
  if (frame && thinking) end_thinking();
  return std::exchange(events_, {});
}

std::vector<AnswerOutput::Event> AnswerOutput::finish(FinishReason reason) {
  if (!done()) {
    if (split_) take(parser_.flush());
    else answer(decoder_.flush());
  }
  if (!done()) end_calls(reason);
  const bool stopped = stops_.stopped();
  const std::string stop = stops_.found();
  flush_stops();
  if (!waiting_.empty() && !stopped && call_index_ == 0) emit(TextDelta::Part::kAnswer, "");
  events_.push_back(
      ChoiceFinished{.reason = stopped ? ChoiceFinished::Reason::kStop : reason_of(reason),
                     .stop_string = stop,
                     .thinking_tokens = thinking_tokens()});
  return std::exchange(events_, {});
}

ChoiceFinished::Reason AnswerOutput::reason_of(FinishReason reason) const {
  if (reason == FinishReason::kLength && !called_once_) return ChoiceFinished::Reason::kLength;
  return call_index_ > 0 ? ChoiceFinished::Reason::kToolCalls : ChoiceFinished::Reason::kEnd;
}

int32_t AnswerOutput::forced_token() const {
  const bool over = split_ && thinking_budget_ && parser_.in_thinking() &&
                    parser_.thinking_tokens() >= *thinking_budget_;
  return over && thinking_end_ ? *thinking_end_ : -1;
}

void AnswerOutput::take(const OutputPiece& piece) {
  if (!piece.thinking.empty()) think(piece.thinking);
  if (!piece.answer.empty()) answer(piece.answer);
}

/// Reasoning is passed on as it comes, except what may be a call at its end.
void AnswerOutput::think(const std::string& text) {
  if (schemas_.empty()) return emit(TextDelta::Part::kThinking, text);
  if (!thought_calls_) thought_calls_.emplace(schemas_, true);
  thought_ += text;
  rehearse(thought_calls_->push(text));
}

void AnswerOutput::rehearse(std::vector<ToolPiece> pieces) {
  for (ToolPiece& piece : pieces) {
    if (piece.kind != Kind::kText) {
      rehearsal_.push_back(std::move(piece));
    } else if (rehearsal_.empty()) {
      thought_.erase(0, piece.text.size());
      emit(TextDelta::Part::kThinking, std::move(piece.text));
    } else {
      // The model thinks on behind a call: it only thought of calling.
      rehearsal_.clear();
      emit(TextDelta::Part::kThinking, std::exchange(thought_, ""));
      thought_calls_.emplace(schemas_, true);
      return;
    }
  }
}

void AnswerOutput::end_thinking() {
  if (!rehearsal_.empty() && rehearsal_.back().kind == Kind::kEnd) {
    last_words_ = std::exchange(rehearsal_, {});
  }
  rehearsal_.clear();
  if (!thought_.empty()) emit(TextDelta::Part::kThinking, std::exchange(thought_, ""));
  thought_calls_.reset();
  waiting_.clear();
}

void AnswerOutput::answer(const std::string& text) {
  if (done() || text.empty()) return;
  if (schemas_.empty()) return take_answer({{Kind::kText, text}});
  take_answer(calls_.push(text));
}

void AnswerOutput::take_answer(std::vector<ToolPiece> pieces) {
  for (ToolPiece& piece : pieces) {
    if (done()) return;
    if (piece.kind != Kind::kText) {
      call(piece);
      continue;
    }
    said_something_ = said_something_ || space_at_front(piece.text) < piece.text.size();
    std::string certain = stops_.push(piece.text);
    if (!certain.empty()) emit(TextDelta::Part::kAnswer, std::move(certain));
  }
}

void AnswerOutput::call(const ToolPiece& piece) {
  switch (piece.kind) {
    case Kind::kBegin:
      flush_stops();
      waiting_.clear();
      events_.push_back(ToolCallBegin{call_index_, call_id(), piece.text});
      break;
    case Kind::kArguments: {
      auto* last = events_.empty() ? nullptr : std::get_if<ToolCallArguments>(&events_.back());
      if (last) last->text += piece.text;
      else events_.push_back(ToolCallArguments{call_index_, piece.text});
      break;
    }
    case Kind::kEnd:
      waiting_.clear();
      events_.push_back(ToolCallEnd{call_index_++});
      called_once_ = !parallel_;
      break;
    case Kind::kText: break;
  }
}

/// Text that was held back as the start of a stop string.
void AnswerOutput::flush_stops() {
  std::string rest = stops_.flush();
  if (!rest.empty()) emit(TextDelta::Part::kAnswer, std::move(rest));
}

/// Tokens of one step make one event of each kind.
void AnswerOutput::emit(TextDelta::Part part, std::string text) {
  auto* last = events_.empty() ? nullptr : std::get_if<TextDelta>(&events_.back());
  if (!last || last->part != part) {
    events_.push_back(TextDelta{part, std::move(text), {}});
    last = &std::get<TextDelta>(events_.back());
  } else {
    last->text += text;
  }
  last->logprobs.insert(last->logprobs.end(), waiting_.begin(), waiting_.end());
  waiting_.clear();
}

/// The last words: calls that the end completes, and text that no call came of.
void AnswerOutput::end_calls(FinishReason reason) {
  if (!split_ || schemas_.empty()) return;
  const bool cut = reason == FinishReason::kLength;
  if (parser_.in_thinking()) {
    if (thought_calls_ && !cut) rehearse(thought_calls_->flush());
    const bool whole = !cut && !rehearsal_.empty();
    if (whole) return take_answer(std::exchange(rehearsal_, {}));
    if (!thought_.empty()) emit(TextDelta::Part::kThinking, std::exchange(thought_, ""));
    return;
  }
  take_answer(cut ? calls_.cut() : calls_.flush());
  const bool empty = !said_something_ && call_index_ == 0;
  if (empty && !cut) take_answer(std::exchange(last_words_, {}));
}

}  // namespace hearth
