#include "console/display_text.h"

#include <utf8proc.h>

#include <algorithm>

namespace hearth {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kControlPictures = 0x2400;  // of U+0000 … U+001F
constexpr char32_t kDeletePicture = 0x2421;
constexpr char32_t kEmojiStyle = 0xFE0F;  // a narrow symbol before it may be drawn wide

struct Decoded {
  char32_t code_point;
  size_t bytes;
};

/// `text` is valid and not empty.
Decoded decode(std::string_view text) {
  utf8proc_int32_t code_point = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()), &code_point);
  if (bytes <= 0) return {kReplacement, 1};
  return {static_cast<char32_t>(code_point), static_cast<size_t>(bytes)};
}

/// Bytes that a character with this first byte has; 1 for bytes that begin none.
size_t sequence_bytes(unsigned char first) {
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 1;
}

/// Whether `text` is the beginning of a character whose rest may still come.
bool may_continue(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.size() >= sequence_bytes(byte(0))) return false;
  for (size_t i = 1; i < text.size(); ++i) {
    if ((byte(i) & 0xC0) != 0x80) return false;
  }
  return true;
}

bool reorders(char32_t c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }

int columns_of(char32_t code_point) {
  return utf8proc_charwidth(static_cast<utf8proc_int32_t>(code_point));
}

}  // namespace

std::string harmless(char32_t code_point) {
  if (code_point < 0x20) {
    code_point += kControlPictures;
  } else if (code_point == 0x7F) {
    code_point = kDeletePicture;
  } else if ((code_point >= 0x80 && code_point < 0xA0) || reorders(code_point) ||
             code_point == 0x2028 || code_point == 0x2029 ||
             !utf8proc_codepoint_valid(static_cast<utf8proc_int32_t>(code_point))) {
    code_point = kReplacement;
  }
  utf8proc_uint8_t bytes[4];
  const auto count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)};
}

std::vector<Character> characters_of(std::string_view text) {
  std::vector<Character> characters;
  utf8proc_int32_t state = 0;
  char32_t last = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [code_point, bytes] = decode(text.substr(at));
    const bool begins = at == 0 || utf8proc_grapheme_break_stateful(
                                       static_cast<utf8proc_int32_t>(last),
                                       static_cast<utf8proc_int32_t>(code_point), &state);
    if (begins) characters.push_back({text.substr(at, 0), 0});
    Character& character = characters.back();
    const bool widens = code_point == kEmojiStyle && character.columns == 1;
    character.columns += widens ? 1 : columns_of(code_point);
    character.text = {character.text.data(), character.text.size() + bytes};
    last = code_point;
    at += bytes;
  }
  return characters;
}

int display_columns(std::string_view text) {
  int columns = 0;
  for (const Character& character : characters_of(text)) columns += character.columns;
  return columns;
}

std::string TextFilter::add(std::string_view bytes) {
  waiting_ += bytes;
  return pass(false);
}

std::string TextFilter::finish() { return pass(true); }

std::string TextFilter::pass(bool is_last) {
  std::string passed;
  std::string_view rest = waiting_;
  while (!rest.empty()) {
    const char first = rest[0];
    if (!is_last && (rest == "\r" || may_continue(rest))) break;
    if (rest.starts_with("\r\n")) rest.remove_prefix(1);
    const auto [code_point, bytes] = decode(rest);
    const bool stays = first == '\t' || rest[0] == '\n';
    passed += stays ? std::string(1, rest[0]) : harmless(code_point);
    rest.remove_prefix(bytes);
  }
  waiting_ = std::string(rest);
  return passed;
}

}  // namespace hearth
