// Harmless text, and columns of characters.
#include "console/display_text.h"

#include <gtest/gtest.h>

#include <clocale>
#include <string>

namespace hearth {
namespace {

std::string filtered(std::string_view bytes) {
  TextFilter filter;
  std::string text = filter.add(bytes);
  return text + filter.finish();
}

TEST(TextFilter, ControlsBecomePictures) {
  EXPECT_EQ(filtered("a\x1b[31mb"), "a␛[31mb");
  EXPECT_EQ(filtered(std::string_view("\0\a\b\x7f", 4)), "␀␇␈␡");
  EXPECT_EQ(filtered("one\ttwo\nthree"), "one\ttwo\nthree");
}

TEST(TextFilter, LineEndsBecomeLineFeeds) {
  EXPECT_EQ(filtered("a\r\nb"), "a\nb");
  EXPECT_EQ(filtered("100 %\rdone\r"), "100 %␍done␍") << "a lone return could overwrite";
}

TEST(TextFilter, C1ControlsAndWhatReordersTextVanish) {
  EXPECT_EQ(filtered("\u009b31m"), "\ufffd31m") << "CSI in one character";
  EXPECT_EQ(filtered("\u202eabc\u2066d"), "\ufffdabc\ufffdd");
  EXPECT_EQ(filtered("a\u2028b"), "a\ufffdb");
}

TEST(TextFilter, BytesThatAreNoCharactersAreReplaced) {
  EXPECT_EQ(filtered("a\xff\xfe z"), "a\ufffd\ufffd z");
  EXPECT_EQ(filtered("\xc0\xaf"), "\ufffd\ufffd") << "overlong";
  EXPECT_EQ(filtered("\xe2\x82"), "\ufffd\ufffd") << "cut off at the end";
  EXPECT_EQ(filtered("\xe2\x82z"), "\ufffd\ufffdz");
  EXPECT_EQ(filtered("\xed\xa0\x80"), "\ufffd\ufffd\ufffd") << "a surrogate";
}

TEST(TextFilter, SplitsDoNotMatter) {
  const std::string text = "é€😀\r\n\x1b]0;title\a \xe2\x82z \xf0\x9f\x98 \r x\xc3";
  const std::string whole = filtered(text);
  for (size_t split = 0; split <= text.size(); ++split) {
    TextFilter filter;
    std::string parts = filter.add(text.substr(0, split));
    parts += filter.add(text.substr(split));
    parts += filter.finish();
    EXPECT_EQ(parts, whole) << split;
  }
  TextFilter filter;
  std::string bytes;
  for (const char c : text) bytes += filter.add({&c, 1});
  EXPECT_EQ(bytes + filter.finish(), whole);
}

TEST(Columns, OfScriptsAndEmoji) {
  EXPECT_EQ(display_columns("abc"), 3);
  EXPECT_EQ(display_columns("naïve"), 5);
  EXPECT_EQ(display_columns("e\u0301"), 1) << "a combining accent";
  EXPECT_EQ(display_columns("日本語"), 6);
  EXPECT_EQ(display_columns("ｱ"), 1) << "halfwidth katakana";
  EXPECT_EQ(display_columns("한국어"), 6);
  EXPECT_EQ(display_columns("🙂"), 2);
  EXPECT_EQ(display_columns("\u2764\ufe0f"), 2) << "a narrow symbol drawn as an emoji";
  EXPECT_EQ(display_columns("🇩🇪"), 2) << "a flag";
  EXPECT_EQ(display_columns("a\u200bb"), 2) << "zero width space";
  EXPECT_EQ(display_columns("→│─•"), 4);
}

TEST(Columns, SequencesAreOneCharacter) {
  const auto family = characters_of("👨‍👩‍👧x");
  ASSERT_EQ(family.size(), 2u);
  EXPECT_EQ(family[0].text, "👨‍👩‍👧");
  EXPECT_EQ(family[0].columns, 6) << "the widest of what terminals do";
  const auto accent = characters_of("e\u0301e");
  ASSERT_EQ(accent.size(), 2u);
  EXPECT_EQ(accent[0].text, "e\u0301");
}

TEST(Columns, DoNotDependOnTheLocale) {
  const char* const before = setlocale(LC_ALL, nullptr);
  ASSERT_STREQ(before, "C");
  EXPECT_EQ(display_columns("日本語é"), 7);
}

}  // namespace
}  // namespace hearth
