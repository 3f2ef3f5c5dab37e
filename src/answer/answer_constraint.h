// Keeps answers to what their requests want them to look like.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
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
/// compiling takes milliseconds, tens of them for an agent's tools, and the first time seconds.
class ConstraintCompiler {
 public:
  /// The tokenizer must outlive it, and it the constraints. `token_count` is that of the logits.
  ConstraintCompiler(const Tokenizer& tokenizer, std::vector<int32_t> end_tokens,
                     int64_t token_count, CallForm form);
  /// Waits for the end of warm_up().
  ~ConstraintCompiler();

  /// Begins, in the background, with what the first compilation would take seconds for. A request
  /// that comes before its end does not wait for it. At most once.
  void warm_up();

  /// What each choice of the request forks; none: answers are free. Throws ApiError, which names
  /// what is at fault: response_format, tool_choice or tools[i].function.parameters.
  std::optional<TokenMatcher> compile(const AnswerRequest& request);

  const ConstraintTokens& tokens() const { return tokens_; }
  /// Grammars that were compiled so far. The latest are at hand when they come again, as the tools
  /// of an agent do with every turn.
  int64_t compilations() const;

 private:
  struct Compiled {
    std::vector<Grammar> grammars;
    TokenMatcher matcher;
  };

  std::shared_ptr<const GrammarCompiler> compiler();
  TokenMatcher compiled(const std::vector<Grammar>& grammars);
  [[noreturn]] void refuse(const AnswerRequest& request, const std::string& message);

  const Tokenizer& tokenizer_;
  ConstraintTokens tokens_;
  CallForm form_;
  mutable std::mutex mutex_;                         // of what follows
  std::shared_ptr<const GrammarCompiler> compiler_;  // once it was made
  std::list<Compiled> compiled_;                     // the latest used first
  int64_t compilations_ = 0;
  std::thread warm_up_;  // the last: it uses all of the above
};

}  // namespace hearth
