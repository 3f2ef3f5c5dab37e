// How single blocks look.
#include "console/markdown_layout.h"

#include <gtest/gtest.h>

#include <string>

#include "console/markdown_view.h"
#include "tests/console/screen.h"

namespace hearth {
namespace {

using testing::Screen;

/// The whole document at once: text only, or with styles as {1;36}.
std::string shown(std::string_view markdown, int columns = 40, bool has_styles = false) {
  Screen screen(columns, 200);
  MarkdownView view({.mode = ViewMode::kRendered,
                     .style = Style(has_styles),
                     .size =
                         [columns] {
                           return TerminalSize{columns, 200};
                         },
                     .write = [&](std::string_view output) { screen.write(output); }});
  view.add(markdown);
  view.finish();
  return has_styles ? screen.transcript() : screen.text();
}

TEST(MarkdownLayout, ParagraphsWrapBetweenWords) {
  EXPECT_EQ(shown("one two three four", 10), "one two\nthree\nfour\n");
  EXPECT_EQ(shown("one\ntwo", 40), "one two\n") << "a line feed is a space";
  EXPECT_EQ(shown("one  \ntwo", 40), "one\ntwo\n") << "but for two spaces before it";
  EXPECT_EQ(shown("abcdefghijklmnop", 10), "abcdefghi\njklmnop\n");
}

TEST(MarkdownLayout, WideCharactersWrapAnywhere) {
  EXPECT_EQ(shown("日本語日本語日本語", 10), "日本語日\n本語日本\n語\n");
  EXPECT_EQ(shown("e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301 e\u0301e\u0301", 10),
            "e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301\ne\u0301e\u0301\n");
}

TEST(MarkdownLayout, EmphasisHasStyles) {
  EXPECT_EQ(shown("a **b** *c* `d` ~~e~~", 40, true), "a {1}b{} {3}c{} {33}d{} {9}e{}\n");
  EXPECT_EQ(shown("***both***", 40, true), "{1;3}both{}\n");
  EXPECT_EQ(shown("a **b** *c* `d` ~~e~~"), "a **b** *c* `d` ~~e~~\n") << "or its marks";
}

TEST(MarkdownLayout, Headings) {
  EXPECT_EQ(shown("# One\n## Two\n### Three", 40, true),
            "{1;4;36}One{}\n\n{1;36}Two{}\n\n{1}Three{}\n");
  EXPECT_EQ(shown("# One\ntext"), "# One\n\ntext\n");
}

TEST(MarkdownLayout, CodeKeepsItsLinesAndIsNotWrapped) {
  EXPECT_EQ(shown("```py\nif a:\n\tb\n```", 40, true), "{2}  py{}\n    if a:\n        b\n");
  // 16 columns of text in a terminal of 12: it fills the row, the terminal goes on.
  EXPECT_EQ(shown("```\n0123456789abcdef\n```", 12), "    01234567\n89abcdef\n");
  EXPECT_EQ(shown("```\n**a** &amp; <b>\n```"), "    **a** &amp; <b>\n");
}

TEST(MarkdownLayout, Lists) {
  EXPECT_EQ(shown("- a\n- b\n  - c\n    1. d\n- e"), "• a\n• b\n  • c\n    1. d\n• e\n");
  EXPECT_EQ(shown("9. a\n10. b"), "9. a\n10. b\n");
  EXPECT_EQ(shown("- a\n\n  b\n\n- c"), "• a\n\n  b\n\n• c\n");
  EXPECT_EQ(shown("- [ ] a\n- [x] b"), "• ☐ a\n• ☑ b\n");
  EXPECT_EQ(shown("- one two three", 10), "• one two\n  three\n");
  EXPECT_EQ(shown("- a\n  ```sh\n  ls\n  ```\n- b"), "• a\n    sh\n      ls\n• b\n");
  EXPECT_EQ(shown("-\n- b"), "•\n• b\n");
}

TEST(MarkdownLayout, Quotes) {
  EXPECT_EQ(shown("> one two three\n>\n> - b", 12), "│ one two\n│ three\n│\n│ • b\n");
  EXPECT_EQ(shown("> a\n> > b"), "│ a\n│\n│ │ b\n");
}

TEST(MarkdownLayout, LinksShowWhereTheyGo) {
  EXPECT_EQ(shown("[text](http://a.b/c?d=1&amp;e)"), "text (http://a.b/c?d=1&e)\n");
  EXPECT_EQ(shown("<http://a.b>"), "http://a.b\n");
  EXPECT_EQ(shown("[here](#part) ![alt](x.png)"), "here alt (x.png)\n");
  EXPECT_EQ(shown("[t](u)", 40, true), "{4}t{2} (u){}\n");
}

TEST(MarkdownLayout, Rules) { EXPECT_EQ(shown("---", 10), "─────────\n"); }

TEST(MarkdownLayout, TablesAreAligned) {
  EXPECT_EQ(shown("| a | bb | c |\n|:--|--:|:-:|\n| one | 2 | x |\n| 日本 | 30 | long |"),
            "a    │ bb │  c\n"
            "─────┼────┼─────\n"
            "one  │  2 │  x\n"
            "日本 │ 30 │ long\n");
}

TEST(MarkdownLayout, WideTablesWrapInTheirCells) {
  EXPECT_EQ(shown("| k | text |\n|---|---|\n| a | one two three four |", 20),
            "k │ text\n"
            "──┼────────────────\n"
            "a │ one two three\n"
            "  │ four\n");
}

TEST(MarkdownLayout, TablesWithoutRoomBecomeRecords) {
  EXPECT_EQ(shown("|a|b|c|d|\n|-|-|-|-|\n|1|2|3|4|\n|5|6|7|8|", 16),
            "a: 1\nb: 2\nc: 3\nd: 4\n\na: 5\nb: 6\nc: 7\nd: 8\n");
}

TEST(MarkdownLayout, EntitiesCannotSmuggleControls) {
  EXPECT_EQ(shown("&lt;b&gt; &amp; &#65; &unknown; &nbsp;x"), "<b> & A &unknown; \u00a0x\n");
  EXPECT_EQ(shown("&#27;[2J &#x9b;1A &#7; &#0; &#x110000;"), "␛[2J \ufffd1A ␇ ␀ \ufffd\n");
  EXPECT_EQ(shown("[a](http://x/&#27;[2J)"), "a (http://x/␛[2J)\n");
}

TEST(MarkdownLayout, HtmlIsText) { EXPECT_EQ(shown("<b>x</b>\n\n<div>y"), "<b>x</b>\n\n<div>y\n"); }

TEST(MarkdownLayout, DeepNestingKeepsRoomForText) {
  std::string deep;
  for (int i = 0; i < 50; ++i) deep += "> ";
  const std::string text = shown(deep + "word word word", 20);
  EXPECT_NE(text.find("word"), std::string::npos);
}

}  // namespace
}  // namespace hearth
