// Keeps answers to what their requests want them to look like.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "answer/answer_request.h"
#include "answer/tool_grammar.h"
#include "engine/constraint.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace hearth {

/// Tokens and their roles, as constraints have to know them.
struct ConstraintTokens {
  int64_t count = 0;                    // of the model's logits
  std::vector<int32_t> ends = {};       // end an answer
  std::optional<int32_t> thinking_end;  // </think>
  std::vector<int32_t> line_ends = {};  // that may stand between reasoning and answer
};

/// Free while the model thinks, except that it cannot end there; binding afterwards.
class AnswerConstraint : public Constraint {
 public:
  AnswerConstraint(TokenMatcher matcher, const ConstraintTokens& tokens, bool starts_in_thinking);

  std::span<const uint32_t> allowed() override;
  void accept(int32_t token) override;

  /// Whether the answer is whole, and nothing but an end token may follow.
  bool complete() const { return !thinking_ && matcher_.complete(); }
  /// Why the answer could not be kept to its grammar and had to end; mostly empty.
  const std::string& error() const { return error_; }

 private:
  void allow(std::span<const int32_t> ids);

  TokenMatcher matcher_;
  const ConstraintTokens& tokens_;
  bool thinking_;
  bool gap_ = false;  // behind the end of reasoning
  std::vector<uint32_t> words_;
  std::string error_;
};

/// Compiles the constraints of requests. Threads may share one; none of them is the engine's, since
/// compiling takes milliseconds, and the first time a second.
class ConstraintCompiler {
 public:
  /// The tokenizer must outlive it, and it the constraints. `token_count` is that of the logits.
  ConstraintCompiler(const Tokenizer& tokenizer, std::vector<int32_t> end_tokens,
                     int64_t token_count, CallForm form);

  /// What each choice of the request forks; none: answers are free. Throws ApiError, which names
  /// what is at fault: response_format, tool_choice or tools[i].function.parameters.
  std::optional<TokenMatcher> compile(const AnswerRequest& request);

  const ConstraintTokens& tokens() const { return tokens_; }

 private:
  const GrammarCompiler& grammars();
  [[noreturn]] void refuse(const AnswerRequest& request, const std::string& message);

  const Tokenizer& tokenizer_;
  ConstraintTokens tokens_;
  CallForm form_;
  std::once_flag made_;
  std::optional<GrammarCompiler> grammars_;
};

}  // namespace hearth
