#include "console/text_flow.h"

#include <algorithm>

#include "console/display_text.h"

namespace hearth {
namespace {

bool is_space(const Glyph& glyph) { return glyph.text == " "; }

/// Whether a row may end between two characters. Scripts with wide characters have no spaces.
bool may_break(const Glyph& left, const Glyph& right) {
  return is_space(left) || is_space(right) || left.columns > 1 || right.columns > 1;
}

std::span<const Glyph> without_spaces_at_end(std::span<const Glyph> row) {
  while (!row.empty() && is_space(row.back())) row = row.first(row.size() - 1);
  return row;
}

/// How many glyphs of `line` the next row takes.
size_t row_length(std::span<const Glyph> line, int columns) {
  int used = 0;
  size_t last_break = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (i > 0 && may_break(line[i - 1], line[i])) last_break = i;
    used += line[i].columns;
    // A space that hangs over the edge is dropped with the break.
    if (used > columns && !is_space(line[i]))
      return last_break > 0 ? last_break : std::max<size_t>(i, 1);
  }
  return line.size();
}

}  // namespace

void append_text(std::vector<Glyph>& glyphs, std::string_view text, unsigned styles,
                 size_t source) {
  for (const Character& character : characters_of(text)) {
    const auto offset = static_cast<size_t>(character.text.data() - text.data());
    glyphs.push_back({std::string(character.text), character.columns, styles,
                      source == kNoSource ? kNoSource : source + offset, false});
  }
}

int columns_of(std::span<const Glyph> glyphs) {
  int columns = 0;
  for (const Glyph& glyph : glyphs) columns += glyph.columns;
  return columns;
}

int widest_word(std::span<const Glyph> glyphs) {
  int widest = 0;
  int word = 0;
  for (size_t i = 0; i < glyphs.size(); ++i) {
    if (i > 0 && may_break(glyphs[i - 1], glyphs[i])) word = 0;
    if (!is_space(glyphs[i])) word += glyphs[i].columns;
    widest = std::max(widest, word);
  }
  return widest;
}

std::vector<std::span<const Glyph>> break_rows(std::span<const Glyph> glyphs, int columns) {
  std::vector<std::span<const Glyph>> rows;
  do {
    const auto end = std::find_if(glyphs.begin(), glyphs.end(),
                                  [](const Glyph& glyph) { return glyph.is_line_end; });
    std::span<const Glyph> line(glyphs.begin(), end);
    glyphs = glyphs.subspan(std::min(line.size() + 1, glyphs.size()));
    do {
      while (!line.empty() && is_space(line.front())) line = line.subspan(1);
      const size_t length = row_length(line, columns);
      rows.push_back(without_spaces_at_end(line.first(length)));
      line = line.subspan(length);
    } while (!without_spaces_at_end(line).empty());
  } while (!glyphs.empty());
  return rows;
}

std::string styled(std::span<const Glyph> glyphs, const Style& style) {
  std::string text;
  unsigned now = kPlainStyle;
  for (const Glyph& glyph : glyphs) {
    if (glyph.styles != now) {
      text += style.end(now);
      text += style.begin(glyph.styles);
      now = glyph.styles;
    }
    text += glyph.text;
  }
  text += style.end(now);
  return text;
}

}  // namespace hearth
