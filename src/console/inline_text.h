// The text inside of a paragraph, heading or table cell, as md4c reports it.
#pragma once

#include <md4c.h>

#include <string>
#include <string_view>
#include <vector>

#include "console/text_flow.h"

namespace hearth {

/// Destination of a link, language of code: with its entities replaced.
std::string attribute_text(const MD_ATTRIBUTE& attribute);

/// Collects styled glyphs from spans and text.
class InlineText {
 public:
  /// `source` is what is parsed; it must stay. Without styles, marks of Markdown stay visible.
  InlineText(std::string_view source, bool has_styles, unsigned base_styles)
      : source_(source), has_styles_(has_styles), base_styles_(base_styles) {}

  void enter(MD_SPANTYPE type, void* detail);
  void leave(MD_SPANTYPE type);
  void add(MD_TEXTTYPE type, std::string_view text);
  /// Text that the source does not have.
  void add_mark(std::string_view mark, unsigned styles = kPlainStyle);

  /// Styles of the block, until the next call.
  void set_block_styles(unsigned styles) { block_styles_ = styles; }

  bool is_empty() const { return glyphs_.empty(); }
  std::vector<Glyph> take();

  /// Whether the text from this glyph on is a paragraph of its own: it is outside of spans, and
  /// begins with a letter, which no other kind of block does.
  bool may_begin_paragraph(const Glyph& glyph) const;

 private:
  struct Span {
    unsigned styles;
    size_t begin;             // index of its first glyph
    std::string destination;  // of a link
  };

  unsigned styles() const;

  std::string_view source_;
  bool has_styles_;
  unsigned base_styles_;
  unsigned block_styles_ = kPlainStyle;
  std::vector<Span> spans_;
  std::vector<Glyph> glyphs_;
};

}  // namespace hearth
