// A model's output, token by token, taken apart: its reasoning and its answer.
//
// Reasoning ends at the token `</think>`, never at a text that looks like it. It begins where the
// prompt ends inside of it (templates of Thinking models open it), or where the output's first
// token but for white space is `<think>`. Line ends around both parts belong to the framing and are
// left out. Output that ends while reasoning is all reasoning, and no answer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace hearth {

/// Text that became certain. Pieces put together in order are the two parts, however the output
/// was split.
struct OutputPiece {
  std::string thinking;
  std::string answer;
};

class OutputParser {
 public:
  /// The tokenizer must outlive the parser.
  OutputParser(const Tokenizer& tokenizer, bool starts_in_thinking);

  OutputPiece push(int32_t token);
  /// The end of the output; nothing follows.
  OutputPiece flush();

  /// Whether the next token is one of the reasoning, unless it ends it.
  bool in_thinking() const { return part_ == Part::kThinking; }
  /// Tokens of the reasoning so far, without the two that frame it.
  int64_t thinking_tokens() const { return thinking_tokens_; }

 private:
  enum class Part { kStart, kThinking, kAnswer };

  OutputPiece add(const std::string& text);
  OutputPiece enter(Part part);

  std::optional<int32_t> open_;
  std::optional<int32_t> close_;
  StreamDecoder decoder_;
  Part part_;
  int64_t thinking_tokens_ = 0;
  bool part_has_text_ = false;  // line ends before the text of a part are dropped
  std::string held_;            // line ends that are the part's own only if more of it follows
};

/// Whether a prompt ends inside of reasoning: its last `<think>` has no `</think>` behind it, and
/// stands in `prompt` from `from` on, where the model's own turn begins.
bool ends_in_thinking(const Tokenizer& tokenizer, std::span<const int32_t> prompt, int64_t from);

}  // namespace hearth
