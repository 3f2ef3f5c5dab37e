// An answer as two texts, reasoning and what follows it: for programs that drive an engine
// themselves, and call no tools.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/answer_output.h"
#include "engine/generation.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace hearth {

struct TextAnswerOptions {
  bool starts_in_thinking = false;
  /// False: all is answer, as it comes, with any marks of reasoning in it.
  bool split_thinking = true;
  /// Most tokens of reasoning; none: as many as it takes.
  std::optional<int64_t> thinking_budget = {};
  std::vector<std::string> stop = {};
  /// Hears the pieces as they become certain; may be empty.
  std::function<void(const OutputPiece& piece)> show = {};
  /// Asked after each token; true ends the answer. May be empty.
  std::function<bool()> interrupted = {};
  /// Called after the first token; may be empty.
  std::function<void()> on_first_token = {};
};

class TextAnswer : public GenerationObserver {
 public:
  /// The tokenizer must outlive it. Throws UsageError for an empty stop string.
  TextAnswer(const Tokenizer& tokenizer, TextAnswerOptions options);

  bool on_token(int32_t token) noexcept override;
  int32_t forced_token() noexcept override { return output_.forced_token(); }
  void on_finish(FinishReason reason, const GenerationUsage& usage) noexcept override;

  bool finished() const { return finished_; }
  /// "eos", "stop", "length", "interrupted" or "cancelled".
  std::string_view finish_reason() const { return reason_; }
  const GenerationUsage& usage() const { return usage_; }
  /// Those that were drawn, without the end token.
  const std::vector<int32_t>& tokens() const { return tokens_; }
  int64_t thinking_tokens() const { return output_.thinking_tokens(); }
  const std::string& thinking() const { return thinking_; }
  const std::string& answer() const { return answer_; }

 private:
  void take(AnswerOutput::Event& event);

  TextAnswerOptions options_;
  AnswerOutput output_;
  std::vector<int32_t> tokens_;
  std::string thinking_;
  std::string answer_;
  bool interrupted_ = false;
  bool finished_ = false;
  std::string_view reason_;
  GenerationUsage usage_;
};

}  // namespace hearth
