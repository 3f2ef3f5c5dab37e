// Styled text and its breaking into rows.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "console/style.h"

namespace hearth {

constexpr size_t kNoSource = static_cast<size_t>(-1);

/// One character with its style.
struct Glyph {
  std::string text;
  int columns = 1;
  unsigned styles = kPlainStyle;  ///< bits of TextStyle
  size_t source = kNoSource;      ///< where it stands in the Markdown of its block, if it does
  bool is_line_end = false;       ///< a forced end of a row; the rest is meaningless then
};

/// A row of the screen, with its control sequences.
struct Row {
  std::string text;
  int columns = 0;
  /// It goes on where the full row above ended: nothing is written between, the terminal wraps.
  bool is_continuation = false;
  /// Where its Markdown begins, if the block may be cut in two there.
  size_t source = kNoSource;
};

/// Appends the characters of `text`; `source` is where it begins, or kNoSource.
void append_text(std::vector<Glyph>& glyphs, std::string_view text, unsigned styles,
                 size_t source = kNoSource);

int columns_of(std::span<const Glyph> glyphs);

/// The widest stretch that cannot be broken.
int widest_word(std::span<const Glyph> glyphs);

/// Breaks at spaces and next to wide characters, and inside of words that are longer than a row.
/// Spaces at a break vanish. At least one row.
std::vector<std::span<const Glyph>> break_rows(std::span<const Glyph> glyphs, int columns);

/// Text with control sequences.
std::string styled(std::span<const Glyph> glyphs, const Style& style);

}  // namespace hearth
