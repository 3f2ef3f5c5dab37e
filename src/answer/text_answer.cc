#include "answer/text_answer.h"

#include <utility>
#include <variant>

namespace hearth {
namespace {

/// As AnswerOutput knows it: reasoning is split off in conversations, and not in raw texts.
AnswerRequest request_of(const TextAnswerOptions& options) {
  AnswerRequest request;
  if (!options.split_thinking) request.input = RawInput();
  request.sampling.stop = options.stop;
  request.thinking_budget = options.thinking_budget;
  return request;
}

}  // namespace

TextAnswer::TextAnswer(const Tokenizer& tokenizer, TextAnswerOptions options)
    : options_(std::move(options)),
      output_(tokenizer, request_of(options_), options_.starts_in_thinking) {}

void TextAnswer::take(AnswerOutput::Event& event) {
  auto* delta = std::get_if<TextDelta>(&event);
  if (!delta) return;
  const bool thinking = delta->part == TextDelta::Part::kThinking;
  (thinking ? thinking_ : answer_) += delta->text;
  if (!options_.show) return;
  options_.show(thinking ? OutputPiece{std::move(delta->text), ""}
                         : OutputPiece{"", std::move(delta->text)});
}

bool TextAnswer::on_token(int32_t token) noexcept {
  if (tokens_.empty() && options_.on_first_token) options_.on_first_token();
  tokens_.push_back(token);
  for (AnswerOutput::Event& event : output_.push(token)) take(event);
  interrupted_ = options_.interrupted && options_.interrupted();
  return !interrupted_ && !output_.done();
}

void TextAnswer::on_finish(FinishReason reason, const GenerationUsage& usage) noexcept {
  if (tokens_.empty() && options_.on_first_token) options_.on_first_token();
  std::vector<AnswerOutput::Event> last = output_.finish(reason);
  for (AnswerOutput::Event& event : last) take(event);
  const bool stopped =
      std::get<ChoiceFinished>(last.back()).reason == ChoiceFinished::Reason::kStop;
  switch (reason) {
    case FinishReason::kEndToken: reason_ = stopped ? "stop" : "eos"; break;
    case FinishReason::kLength: reason_ = stopped ? "stop" : "length"; break;
    case FinishReason::kStopped: reason_ = interrupted_ ? "interrupted" : "stop"; break;
    case FinishReason::kCancelled: reason_ = "cancelled"; break;
  }
  usage_ = usage;
  finished_ = true;
}

}  // namespace hearth
