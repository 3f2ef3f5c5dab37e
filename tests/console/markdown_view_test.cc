// Documents in pieces: the screen in the end does not depend on where they were split.
#include "console/markdown_view.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/console/screen.h"

namespace hearth {
namespace {

using testing::Screen;

/// A view on a screen.
class Shown {
 public:
  explicit Shown(TerminalSize size, ViewMode mode = ViewMode::kRendered)
      : screen(size.columns, size.rows),
        view({.mode = mode,
              .style = Style(true),
              .size = [size] { return size; },
              .write =
                  [this](std::string_view output) {
                    ++writes;
                    raw += output;
                    screen.write(output);
                  }}) {}

  Screen screen;
  std::string raw;
  int writes = 0;
  MarkdownView view;
};

std::string transcript(TerminalSize size, const std::vector<std::string_view>& pieces) {
  Shown shown(size);
  for (const std::string_view piece : pieces) shown.view.add(piece);
  shown.view.finish();
  return shown.screen.transcript();
}

const std::vector<std::string>& documents() {
  static const std::vector<std::string> all = {
      "",
      "\n\n",
      "Hello",
      "Hello, *world*! This is a **longer paragraph that wraps** over rows `with code` in it.\n",
      "# Title\nText below.\n\nSetext\n---\nMore\n===\nEnd",
      "Intro:\n- one\n- two **bold\n  still** item\n\n  second paragraph\n- three\n\nAfter.",
      "1. first\n2. second\n   ```py\n   def f():\n       return 1\n   ```\n3. third\n\n   "
      "more\n1. x",
      "Code:\n```cpp\nint main() {\n\treturn 0;  // a rather long comment, longer than rows\n}\n\n"
      "```\nand after\n~~~\nno language\n~~~",
      "```\nunclosed code\n``\n  ``` not closing\n",
      "> quote **with\n> emphasis** and `code`\nlazy line\n\n> - item\n>   more\n",
      "| a | b |\n|---|--:|\n| 1 | two |\n| **three** | 日本語 |\n\nbelow the table",
      "| not | a table\nbut text\n\na | b\n-|:-:\n1 | `x`\n",
      "Links [text](http://example.org/path \"title\") and <http://auto.link> ![img](pic.png)\n"
      "http://bare.url/x.",
      "日本語のテキストは空白なしで折り返されます。 e\u0301\u0302 and "
      "🙂🙂 "
      "👍 "
      "end "
      "한국어 "
      "텍스트.",
      "a\r\nb\r\n\r\nc\x1b[31mred\x1b]0;t\a \xff\xc3( \u009b2J &#27; &amp;&lt; \\* \\`x`",
      "***\n\n- - -\n\n* a\n* b\n+ c\n-\n- d\n\n    indented code\n\n    more\n\ntext",
      "- [ ] task\n- [x] done\n  - nested\n    - deeper\n      - deepest item with words to wrap\n",
      "Hard  \nbreak\\\nhere\ttab\n\n\n\nmany blank lines\n   \nend   ",
      "A ***mix* of** un*closed **marks and `ticks ``with`` more\n\nnext ~~struck~~ [open](",
      "1) a\n2) b\n\n10. c\n11. d\nlazy\n\n- x\n\n\n- y\n## H\n- z"};
  return all;
}

constexpr TerminalSize kSizes[] = {{80, 24}, {40, 10}, {23, 6}, {12, 4}};

TEST(MarkdownView, EverySplitInTwoGivesTheSameScreen) {
  for (const std::string& document : documents()) {
    const std::string_view text = document;
    for (const TerminalSize size : kSizes) {
      const std::string whole = transcript(size, {text});
      for (size_t split = 1; split < text.size(); ++split) {
        ASSERT_EQ(transcript(size, {text.substr(0, split), text.substr(split)}), whole)
            << "split at " << split << ", " << size.columns << " columns, of:\n"
            << text;
      }
    }
  }
}

TEST(MarkdownView, SmallPiecesGiveTheSameScreen) {
  for (const std::string& document : documents()) {
    const std::string_view text = document;
    for (const TerminalSize size : kSizes) {
      const std::string whole = transcript(size, {text});
      for (const size_t bytes : {1, 2, 3, 5, 11}) {
        std::vector<std::string_view> pieces;
        for (size_t at = 0; at < text.size(); at += bytes) pieces.push_back(text.substr(at, bytes));
        ASSERT_EQ(transcript(size, pieces), whole)
            << bytes << " bytes each, " << size.columns << " columns, of:\n"
            << text;
      }
    }
  }
}

/// All documents one after the other, several times: far more than a screen.
TEST(MarkdownView, LongDocumentsGiveTheSameScreen) {
  std::string document;
  for (int i = 0; i < 3; ++i) {
    for (const std::string& part : documents()) document += part + "\n\n";
  }
  for (const TerminalSize size : kSizes) {
    const std::string whole = transcript(size, {document});
    for (const size_t bytes : {1, 7, 64, 1000}) {
      std::vector<std::string_view> pieces;
      for (size_t at = 0; at < document.size(); at += bytes) {
        pieces.push_back(std::string_view(document).substr(at, bytes));
      }
      ASSERT_EQ(transcript(size, pieces), whole) << bytes << " bytes each";
    }
  }
}

/// Words w0 w1 … in one line, or in lines of ten.
std::string words(int count, bool in_lines, std::string_view mark = "") {
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (i > 0) text += in_lines && i % 10 == 0 ? '\n' : ' ';
    text.append(mark).append("w").append(std::to_string(i)).append(mark);
  }
  return text;
}

TEST(MarkdownView, AParagraphTallerThanTheScreenIsWrittenInParts) {
  for (const bool in_lines : {false, true}) {
    for (const std::string& before : {std::string(), std::string("- an item\n\n")}) {
      const std::string document = before + words(400, in_lines) + "\n\n**end** of it\n";
      const TerminalSize size{40, 10};
      const std::string whole = transcript(size, {document});
      Shown shown(size);
      size_t seen = 0;
      for (const char c : document) {
        shown.view.add({&c, 1});
        seen = std::max(seen, shown.screen.row_count());
      }
      EXPECT_GT(seen, 40u) << "rows appear before the paragraph ends";
      shown.view.finish();
      EXPECT_EQ(shown.screen.transcript(), whole);
      const std::string text = shown.screen.text();
      for (int i = 0; i < 400; ++i) {
        const std::string word = std::string("w").append(std::to_string(i));
        size_t count = 0;
        for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
          const char after = text[at + word.size()];
          count += after == ' ' || after == '\n';
        }
        ASSERT_EQ(count, 1u) << word << " of:\n" << text;
      }
    }
  }
}

TEST(MarkdownView, AParagraphOfEmphasisIsCutOutsideOfIt) {
  const TerminalSize size{30, 8};
  const std::string document = words(200, false, "**") + "\n\nplain " + words(100, true);
  const std::string whole = transcript(size, {document});
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < document.size(); at += 3) {
    pieces.push_back(std::string_view(document).substr(at, 3));
  }
  EXPECT_EQ(transcript(size, pieces), whole);
  EXPECT_EQ(whole.find('*'), std::string::npos) << "every emphasis was understood";
}

TEST(MarkdownView, ATableTallerThanTheScreenKeepsItsWidths) {
  std::string document = "| name | value |\n|---|---|\n";
  for (int i = 0; i < 40; ++i) document.append("| r").append(std::to_string(i)) += " | v |\n";
  document += "| a much longer name | **bold** |\n\nend\n";
  const TerminalSize size{40, 10};
  const std::string whole = transcript(size, {document});
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < document.size(); at += 4) {
    pieces.push_back(std::string_view(document).substr(at, 4));
  }
  EXPECT_EQ(transcript(size, pieces), whole);
  EXPECT_NE(whole.find("\na   {2} │ {1}bold"), std::string::npos) << whole;
  EXPECT_NE(whole.find("\nr39 {2} │ {}v"), std::string::npos) << whole;
  EXPECT_EQ(whole.find("value"), whole.rfind("value")) << "one head";
}

TEST(MarkdownView, OtherTallBlocksAppearWholeInTheEnd) {
  std::string document = "- item\n";
  for (int i = 0; i < 30; ++i) document.append("  - nested ").append(std::to_string(i)) += '\n';
  const TerminalSize size{40, 10};
  Shown shown(size);
  for (const char c : document) shown.view.add({&c, 1});
  EXPECT_LE(shown.screen.row_count(), 10u);
  shown.view.finish();
  EXPECT_EQ(shown.screen.transcript(), transcript(size, {document}));
  EXPECT_EQ(shown.screen.row_count(), 32u);
}

TEST(MarkdownView, FinishedBlocksAreNotTouched) {
  Shown shown({40, 10});
  shown.view.add("# One\n\nTwo **three** four.\n\n```\ncode\n");
  const size_t before = shown.raw.size();
  for (const char c : std::string("int x = 1;\nint y;\n```\nplain words that come one by one")) {
    shown.view.add({&c, 1});
  }
  const std::string later = shown.raw.substr(before);
  EXPECT_EQ(later.find("\x1b["), std::string::npos)
      << "text that only grows is appended without control sequences";
  EXPECT_EQ(later.find("three"), std::string::npos);
}

TEST(MarkdownView, TheScreenIsNotClearedWhileABlockGrows) {
  Shown shown({40, 10});
  for (const char c : std::string("# A **title** that grows\n\n- *item* one\n- two `code` x")) {
    shown.view.add({&c, 1});
  }
  EXPECT_NE(shown.raw.find("\x1b[K"), std::string::npos) << "rows are redrawn";
  EXPECT_EQ(shown.raw.find("\x1b[J"), std::string::npos) << "tmux would scroll them away";
}

TEST(MarkdownView, OneWriteForEachPieceAndNoneWithoutChange) {
  Shown shown({40, 10});
  shown.view.add("**bold");
  EXPECT_EQ(shown.writes, 1);
  shown.view.add("** and\n\n# more\n\ntext");
  EXPECT_EQ(shown.writes, 2);
  shown.view.add("");
  shown.view.add(" ");
  EXPECT_EQ(shown.writes, 2);
}

TEST(MarkdownView, MarksThatAreNotDecidedAreNotShown) {
  Shown shown({40, 10});
  shown.view.add("Text\n-");
  EXPECT_EQ(shown.screen.text(), "Text") << "no heading";
  shown.view.add(" item\n\n``");
  EXPECT_EQ(shown.screen.text(), "Text\n\n• item");
  shown.view.add("`\n``");
  EXPECT_EQ(shown.screen.text(), "Text\n\n• item");
  shown.view.add("x");
  EXPECT_EQ(shown.screen.text(), "Text\n\n• item\n\n    ``x");
}

TEST(MarkdownView, AfterTheWindowBecameNarrowerTheBlockIsRedrawnWhole) {
  TerminalSize size{40, 10};
  Screen screen(20, 10);  // what a terminal makes of the rows that were written before
  MarkdownView view({.mode = ViewMode::kRendered,
                     .style = Style(true),
                     .size = [&] { return size; },
                     .write = [&](std::string_view output) { screen.write(output); }});
  view.add("Above.\n\nThis paragraph had forty columns to itself");
  size.columns = 20;
  view.add(", now twenty.");
  view.finish();
  EXPECT_EQ(screen.text(), "Above.\n\nThis paragraph had\nforty columns to\nitself, now twenty.\n");
}

TEST(MarkdownView, BaseStylesReachAllText) {
  Screen screen(40, 10);
  MarkdownView view({.mode = ViewMode::kRendered,
                     .style = Style(true),
                     .base_styles = kDim,
                     .write = [&](std::string_view output) { screen.write(output); }});
  view.add("a **b**\n```\nc\n```\n- d");
  view.finish();
  EXPECT_EQ(screen.transcript(), "{2}a {1;2}b{}\n\n{2}    c{}\n\n{2;36}• {2}d{}\n");
}

TEST(MarkdownView, RawTextIsUntouched) {
  std::string written;
  MarkdownView view({.write = [&](std::string_view output) { written += output; }});
  const std::string text = "**a**\r\n\x1b[31m\xff\t";
  view.add(text);
  view.finish();
  EXPECT_EQ(written, text);
}

TEST(MarkdownView, PlainTextIsHarmless) {
  std::string written;
  MarkdownView view(
      {.mode = ViewMode::kPlain, .write = [&](std::string_view output) { written += output; }});
  view.add("**a**\r");
  view.add("\n\x1b[31m\tb");
  view.finish();
  EXPECT_EQ(written, "**a**\n␛[31m\tb\n");
}

TEST(MarkdownView, ModesFollowTheStream) {
  EXPECT_EQ(view_mode(false, false, false), ViewMode::kRaw);
  EXPECT_EQ(view_mode(true, true, false), ViewMode::kRendered);
  EXPECT_EQ(view_mode(true, true, true), ViewMode::kPlain);
  EXPECT_EQ(view_mode(true, false, false), ViewMode::kPlain);
}

TEST(MarkdownView, HostileTextNeverReachesTheTerminal) {
  std::string text;
  uint32_t random = 12345;
  for (int i = 0; i < 20000; ++i) {
    random = random * 1664525 + 1013904223;
    static constexpr std::string_view kPool =
        "\x1b[]\\;?2Jm0\a\b\r\n\n `*_#->|~&#x1b;\xc2\x9b\x80\xff a";
    text += kPool[(random >> 16) % kPool.size()];
  }
  for (const TerminalSize size : kSizes) {
    Shown shown(size);  // the screen fails at anything that it does not know
    for (size_t at = 0; at < text.size(); at += 13) {
      shown.view.add(std::string_view(text).substr(at, 13));
    }
    shown.view.finish();
    EXPECT_EQ(shown.raw.find("\x1b]"), std::string::npos);
    EXPECT_EQ(shown.raw.find("\u009b"), std::string::npos);
    EXPECT_EQ(shown.screen.transcript(), transcript(size, {text}));
  }
}

}  // namespace
}  // namespace hearth
