#include "text/output_parser.h"

#include <algorithm>

namespace hearth {
namespace {

constexpr const char* kOpen = "<think>";
constexpr const char* kClose = "</think>";

}  // namespace

OutputParser::OutputParser(const Tokenizer& tokenizer, bool starts_in_thinking)
    : open_(tokenizer.token_id(kOpen)),
      close_(tokenizer.token_id(kClose)),
      decoder_(tokenizer, true),
      part_(starts_in_thinking ? Part::kThinking : Part::kStart) {}

OutputPiece OutputParser::push(int32_t token) {
  if (part_ == Part::kStart && token == open_) return enter(Part::kThinking);
  if (part_ == Part::kThinking) {
    if (token == close_) return enter(Part::kAnswer);
    ++thinking_tokens_;
  }
  return add(decoder_.push(token));
}

OutputPiece OutputParser::flush() {
  OutputPiece piece = add(decoder_.flush());
  // Line ends behind an answer are its own; behind reasoning, nothing follows them.
  if (part_ != Part::kThinking) piece.answer += held_;
  held_.clear();
  return piece;
}

/// What is left of the part before goes with it.
OutputPiece OutputParser::enter(Part part) {
  OutputPiece piece = add(decoder_.flush());
  held_.clear();
  part_ = part;
  part_has_text_ = false;
  return piece;
}

OutputPiece OutputParser::add(const std::string& text) {
  std::string all = held_ + text;
  held_.clear();
  if (!part_has_text_) {
    // Of an answer that was not framed, everything counts; white space may yet precede <think>.
    const char* dropped = part_ == Part::kStart ? " \t\r\n" : "\r\n";
    const size_t first = all.find_first_not_of(dropped);
    if (first == std::string::npos) {
      if (part_ == Part::kStart) held_ = std::move(all);
      return {};
    }
    if (part_ == Part::kStart) part_ = Part::kAnswer;
    else all.erase(0, first);
    part_has_text_ = true;
  }
  if (part_ == Part::kAnswer) return {"", std::move(all)};
  const size_t end = all.find_last_not_of("\r\n") + 1;
  held_ = all.substr(end);
  all.resize(end);
  return {std::move(all), ""};
}

bool ends_in_thinking(const Tokenizer& tokenizer, std::span<const int32_t> prompt, int64_t from) {
  const std::optional<int32_t> open = tokenizer.token_id(kOpen);
  const std::optional<int32_t> close = tokenizer.token_id(kClose);
  if (!open) return false;
  const std::span<const int32_t> own = prompt.subspan(static_cast<size_t>(from));
  const auto last = std::find(own.rbegin(), own.rend(), *open);
  return last != own.rend() && (!close || std::find(own.rbegin(), last, *close) == last);
}

}  // namespace hearth
