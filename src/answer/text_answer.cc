#include "answer/text_answer.h"

#include <utility>

namespace hearth {

TextAnswer::TextAnswer(const Tokenizer& tokenizer, TextAnswerOptions options)
    : tokenizer_(tokenizer),
      options_(std::move(options)),
      thinking_end_(tokenizer.token_id("</think>")),
      parser_(tokenizer, options_.starts_in_thinking),
      decoder_(tokenizer, true),
      stops_(options_.stop) {}

/// Stop strings end answers, not the reasoning before them.
void TextAnswer::take(const OutputPiece& piece) {
  const OutputPiece certain{piece.thinking, stops_.push(piece.answer)};
  thinking_ += certain.thinking;
  answer_ += certain.answer;
  const bool nothing = certain.thinking.empty() && certain.answer.empty();
  if (options_.show && !nothing) options_.show(certain);
}

bool TextAnswer::on_token(int32_t token) noexcept {
  if (tokens_.empty() && options_.on_first_token) options_.on_first_token();
  tokens_.push_back(token);
  take(options_.split_thinking ? parser_.push(token) : OutputPiece{"", decoder_.push(token)});
  interrupted_ = options_.interrupted && options_.interrupted();
  return !interrupted_ && !stops_.stopped();
}

int32_t TextAnswer::forced_token() noexcept {
  const bool over = options_.split_thinking && options_.thinking_budget && parser_.in_thinking() &&
                    parser_.thinking_tokens() >= *options_.thinking_budget;
  return over && thinking_end_ ? *thinking_end_ : -1;
}

void TextAnswer::on_finish(FinishReason reason, const GenerationUsage& usage) noexcept {
  if (tokens_.empty() && options_.on_first_token) options_.on_first_token();
  take(options_.split_thinking ? parser_.flush() : OutputPiece{"", decoder_.flush()});
  const bool stopped = stops_.stopped();
  const std::string rest = stops_.flush();
  answer_ += rest;
  if (options_.show && !rest.empty()) options_.show({"", rest});
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
