// Token ids to text, as they come.
#pragma once

#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace hearth {

/// Decodes one sequence of ids piece by piece. Every piece is well-formed UTF-8: the bytes of an
/// unfinished code point wait for the next id. All pieces together are what Tokenizer::decode
/// gives for all ids at once.
class StreamDecoder {
 public:
  /// The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special);

  /// The text that `id` completes; may be empty.
  std::string push(int32_t id);

  /// The end of the text: U+FFFD for a code point left unfinished. The decoder starts anew.
  std::string flush();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string pending_;  // the start of a code point, at most 3 bytes
};

}  // namespace hearth
