// Text to token ids and back, by the tokenizer.json of a checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct hearth_tokenizer;

namespace hearth {

/// Const after construction: threads may share one.
class Tokenizer {
 public:
  /// Reads `directory`/tokenizer.json. Throws LoadError when it is absent or invalid.
  explicit Tokenizer(const std::filesystem::path& directory);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Adds nothing of its own, no BOS either. Ill-formed UTF-8 is read as U+FFFD. With
  /// `parse_special`, an added token spelled in the text (`<|im_end|>`, `<think>`) becomes its id;
  /// without, it is text like any other: right for text that users give. Throws Error.
  std::vector<int32_t> encode(std::string_view text, bool parse_special = true) const;

  /// The text of the ids, U+FFFD in place of bytes that are no UTF-8. Ids outside the vocabulary
  /// are left out, and special tokens too with `skip_special`; `<think>` and `<tool_call>` are
  /// added tokens, yet not special, and stay. Throws Error.
  std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  /// One more than the largest id. A model may have more rows of embeddings than that.
  int64_t vocab_size() const;

  /// The id of a token as tokenizer.json spells it: `<|im_end|>`, but `Ġworld` for " world".
  std::optional<int32_t> token_id(std::string_view token) const;

  /// Whether `id` is an added token marked special.
  bool is_special(int32_t id) const;

  /// The bytes that `id` stands for: maybe a part of a code point; none outside the vocabulary.
  std::string token_text(int32_t id) const;

 private:
  friend class GrammarCompiler;
  struct Free {
    void operator()(hearth_tokenizer* handle) const;
  };
  std::unique_ptr<hearth_tokenizer, Free> handle_;
};

}  // namespace hearth
