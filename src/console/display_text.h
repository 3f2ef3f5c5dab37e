// Text as a terminal shows it: made harmless, cut into characters, measured in columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hearth {

/// What a person sees as one character: a base with its combining marks, or an emoji sequence.
struct Character {
  std::string_view text;
  int columns;
};

/// Cuts UTF-8 that a TextFilter has passed into characters. The views point into `text`.
std::vector<Character> characters_of(std::string_view text);

/// Columns that a terminal gives to `text`. Terminals differ about sequences of emoji: this is the
/// widest of the usual answers (the sum over code points), so that text that fits by this measure
/// fits everywhere.
int display_columns(std::string_view text);

/// A code point as harmless UTF-8. Controls become visible pictures of themselves (U+2400…); what
/// reorders text or ends lines, and what is no character at all, becomes U+FFFD.
std::string harmless(char32_t code_point);

/// Makes a stream of bytes from a stranger safe for a terminal: valid UTF-8, no control characters
/// but line feeds and tabs. Line ends of DOS become line feeds. A character that is cut in two
/// waits for its rest, so the result does not depend on where the stream was split.
class TextFilter {
 public:
  std::string add(std::string_view bytes);
  /// What still waits, and can get no rest any more.
  std::string finish();

 private:
  std::string pass(bool is_last);

  std::string waiting_;
};

}  // namespace hearth
