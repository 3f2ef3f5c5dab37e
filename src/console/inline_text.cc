#include "console/inline_text.h"

#include <charconv>
#include <iterator>
#include <utility>

#include "console/display_text.h"

namespace hearth {
namespace {

struct NamedEntity {
  std::string_view name;
  std::string_view text;
};

/// Those that answers have; others are shown as they are written.
constexpr NamedEntity kEntities[] = {
    {"amp", "&"},       {"lt", "<"},     {"gt", ">"},     {"quot", "\""}, {"apos", "'"},
    {"nbsp", "\u00a0"}, {"copy", "©"},   {"reg", "®"},    {"trade", "™"}, {"hellip", "…"},
    {"mdash", "—"},     {"ndash", "–"},  {"lsquo", "‘"},  {"rsquo", "’"}, {"ldquo", "“"},
    {"rdquo", "”"},     {"bull", "•"},   {"middot", "·"}, {"times", "×"}, {"divide", "÷"},
    {"deg", "°"},       {"plusmn", "±"}, {"rarr", "→"},   {"larr", "←"},  {"le", "≤"},
    {"ge", "≥"},        {"ne", "≠"},     {"infin", "∞"},  {"euro", "€"},  {"micro", "µ"}};

/// `&…;` as the parser found it.
std::string entity_text(std::string_view entity) {
  std::string_view name = entity.substr(1, entity.size() - 2);
  if (name.starts_with('#')) {
    name.remove_prefix(1);
    const bool is_hex = name.starts_with('x') || name.starts_with('X');
    if (is_hex) name.remove_prefix(1);
    uint32_t code_point = 0;
    const auto result =
        std::from_chars(name.data(), name.data() + name.size(), code_point, is_hex ? 16 : 10);
    return harmless(result.ec == std::errc() ? code_point : 0xFFFD);
  }
  for (const auto& known : kEntities) {
    if (known.name == name) return std::string(known.text);
  }
  return std::string(entity);
}

unsigned span_styles(MD_SPANTYPE type) {
  switch (type) {
    case MD_SPAN_EM: return kItalic;
    case MD_SPAN_STRONG: return kBold;
    case MD_SPAN_DEL: return kStrike;
    case MD_SPAN_CODE: return kYellow;
    case MD_SPAN_A:
    case MD_SPAN_IMG: return kUnderline;
    default: return kPlainStyle;
  }
}

/// What a span is written with.
std::string_view span_mark(MD_SPANTYPE type) {
  switch (type) {
    case MD_SPAN_EM: return "*";
    case MD_SPAN_STRONG: return "**";
    case MD_SPAN_DEL: return "~~";
    case MD_SPAN_CODE: return "`";
    default: return "";
  }
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::string attribute_text(const MD_ATTRIBUTE& attribute) {
  std::string text;
  for (size_t i = 0; attribute.size > 0 && attribute.substr_offsets[i] < attribute.size; ++i) {
    const MD_OFFSET begin = attribute.substr_offsets[i];
    const std::string_view part(attribute.text + begin, attribute.substr_offsets[i + 1] - begin);
    text += attribute.substr_types[i] == MD_TEXT_ENTITY ? entity_text(part) : std::string(part);
  }
  for (char& c : text) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return text;
}

unsigned InlineText::styles() const {
  return base_styles_ | block_styles_ | (spans_.empty() ? kPlainStyle : spans_.back().styles);
}

void InlineText::enter(MD_SPANTYPE type, void* detail) {
  std::string destination;
  if (type == MD_SPAN_A) destination = attribute_text(static_cast<MD_SPAN_A_DETAIL*>(detail)->href);
  if (type == MD_SPAN_IMG) {
    destination = attribute_text(static_cast<MD_SPAN_IMG_DETAIL*>(detail)->src);
  }
  if (!has_styles_) add_mark(span_mark(type));
  spans_.push_back({styles() | span_styles(type), glyphs_.size(), std::move(destination)});
}

void InlineText::leave(MD_SPANTYPE type) {
  const Span span = std::move(spans_.back());
  spans_.pop_back();
  if (!has_styles_) add_mark(span_mark(type));
  if (span.destination.empty()) return;
  std::string text;
  for (size_t i = span.begin; i < glyphs_.size(); ++i) text += glyphs_[i].text;
  // A destination that can be read already, and one within the document, need not be shown.
  const bool is_shown = span.destination == text || span.destination == "mailto:" + text;
  if (!is_shown && !span.destination.starts_with('#')) {
    add_mark(std::string(" (").append(span.destination).append(")"), kDim);
  }
}

void InlineText::add(MD_TEXTTYPE type, std::string_view text) {
  if (type == MD_TEXT_BR) {
    glyphs_.push_back({"", 0, kPlainStyle, kNoSource, true});
  } else if (type == MD_TEXT_SOFTBR) {
    add_mark(" ", styles());
  } else if (type == MD_TEXT_ENTITY) {
    append_text(glyphs_, entity_text(text), styles());
  } else if (type == MD_TEXT_NULLCHAR) {
    append_text(glyphs_, harmless(0), styles());
  } else {
    std::string clean(text);
    for (char& c : clean) {
      if (c == '\t' || c == '\n') c = ' ';
    }
    // Most text is a view of the source. Cutting is possible only there, outside of spans.
    const bool is_source = type == MD_TEXT_NORMAL && spans_.empty() &&
                           text.data() >= source_.data() &&
                           text.data() < source_.data() + source_.size();
    append_text(glyphs_, clean, styles(),
                is_source ? static_cast<size_t>(text.data() - source_.data()) : kNoSource);
  }
}

void InlineText::add_mark(std::string_view mark, unsigned styles) {
  append_text(glyphs_, mark, styles | base_styles_ | block_styles_);
}

std::vector<Glyph> InlineText::take() { return std::exchange(glyphs_, {}); }

bool InlineText::may_begin_paragraph(const Glyph& glyph) const {
  return glyph.source != kNoSource && glyph.styles == base_styles_ && is_letter(glyph.text[0]);
}

}  // namespace hearth
