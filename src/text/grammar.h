// Grammars of answers: which tokens may come next, by llguidance.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

struct hearth_matcher;
struct hearth_vocabulary;

namespace hearth {

/// A grammar that does not compile, or one that became too much while it was followed.
class GrammarError : public Error {
 public:
  explicit GrammarError(const std::string& message) : Error(ExitCode::kFailure, message) {}
};

struct Grammar {
  enum class Kind : uint8_t { kJsonSchema, kRegex, kLark };
  Kind kind = Kind::kJsonSchema;
  std::string source = {};
  std::string name = {};  // by which other grammars refer to it, in Lark: @name

  bool operator==(const Grammar&) const = default;
};

/// One answer under a grammar. Of one thread at a time.
class TokenMatcher {
 public:
  /// Sets the bits of the tokens that may come next, the lowest of word 0 for token 0, and clears
  /// all others: at least one is set, and where the grammar ends those of the end tokens are.
  /// Throws GrammarError.
  void mask(std::span<uint32_t> words);
  /// The token that came, one of the mask and not an end token. Throws GrammarError.
  void accept(int32_t token);
  /// Whether nothing but an end token may follow.
  bool complete() const;

  /// Another answer, from the same place on.
  TokenMatcher fork() const;

 private:
  friend class GrammarCompiler;
  struct Free {
    void operator()(hearth_matcher* handle) const;
  };
  explicit TokenMatcher(hearth_matcher* handle) : handle_(handle) {}

  std::unique_ptr<hearth_matcher, Free> handle_;
};

/// Const after construction: threads may share one.
class GrammarCompiler {
 public:
  /// Takes a moment: all tokens become a tree of bytes. `end_tokens` end an answer, and are at
  /// least one. Throws GrammarError.
  GrammarCompiler(const Tokenizer& tokenizer, std::span<const int32_t> end_tokens);

  /// The first grammar is that of the answer. Throws GrammarError, also for what would take too
  /// long or too much memory.
  TokenMatcher compile(const std::vector<Grammar>& grammars) const;

 private:
  struct Free {
    void operator()(hearth_vocabulary* handle) const;
  };
  std::unique_ptr<hearth_vocabulary, Free> handle_;
};

}  // namespace hearth
