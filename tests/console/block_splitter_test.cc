// Where documents are cut into blocks.
#include "console/block_splitter.h"

#include <gtest/gtest.h>

#include <string>

namespace hearth {
namespace {

using Kind = MarkdownBlock::Kind;

std::vector<MarkdownBlock> blocks_of(std::string_view text) {
  BlockSplitter splitter;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    splitter.add_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  splitter.finish();
  return splitter.take_finished();
}

/// The first characters of kinds and whether there is a gap: `T.` `i-` …
std::string outline(std::string_view text) {
  std::string outline;
  for (const MarkdownBlock& block : blocks_of(text)) {
    outline += "TQiIRLc"[static_cast<int>(block.kind)];
    outline += block.has_gap ? '.' : '-';
  }
  return outline;
}

TEST(BlockSplitter, ParagraphsEndAtEmptyLinesAndOtherBlocks) {
  EXPECT_EQ(outline("one\ntwo\n\nthree"), "T.T.");
  EXPECT_EQ(outline("one\n# two\nthree"), "T.T.T.");
  EXPECT_EQ(outline("one\n> two"), "T.Q.");
  EXPECT_EQ(outline("one\n***\ntwo"), "T.R.T.");
  EXPECT_EQ(outline("one\n- two"), "T.i.");
  EXPECT_EQ(outline("one\n14. two"), "T.") << "only a list that begins at 1 interrupts";
  EXPECT_EQ(outline("one\n1. two"), "T.i.");
  EXPECT_EQ(outline("one\n    two"), "T.") << "no code inside of a paragraph";
}

TEST(BlockSplitter, AnUnderlineMakesAHeading) {
  EXPECT_EQ(outline("one\n---\ntwo"), "T.T.");
  EXPECT_EQ(blocks_of("one\n---\ntwo")[0].source, "one\n---\n");
  EXPECT_EQ(outline("one\n\n---\ntwo"), "T.R.T.");
}

TEST(BlockSplitter, ItemsAreBlocksOfTheirOwn) {
  EXPECT_EQ(outline("- a\n- b\n\n- c"), "i.i-i.");
  EXPECT_EQ(outline("- a\n  - b\n    - c\n- d"), "i.i-") << "nested items belong to theirs";
  EXPECT_EQ(outline("- a\n\n  second\n\nafter"), "i.T.");
  EXPECT_EQ(outline("- a\nlazy\n- b"), "i.i-");
  EXPECT_EQ(outline("- a\n* b"), "i.i.") << "another marker is another list";
  EXPECT_EQ(outline("- a\n  ```\n  - code\n\n  more\n  ```\n- b"), "i.i-");
}

TEST(BlockSplitter, NumbersGoOnInAList) {
  const auto numbers = [](std::string_view text) {
    std::string all;
    for (const auto& block : blocks_of(text)) all += std::to_string(block.number) + " ";
    return all;
  };
  EXPECT_EQ(numbers("1. a\n1. b\n1. c"), "1 2 3 ");
  EXPECT_EQ(numbers("7. a\n\n9. b"), "7 8 ");
  EXPECT_EQ(numbers("1. a\n\ntext\n\n2. b"), "1 -1 2 ");
  EXPECT_EQ(numbers("1. a\n2) b"), "1 2 ");
  EXPECT_EQ(numbers("1. a\n- b"), "1 -1 ");
}

TEST(BlockSplitter, CodeComesLineByLine) {
  const auto blocks = blocks_of("```cpp extra\nint a;\n\n  b;\n```\nafter");
  ASSERT_EQ(blocks.size(), 5u);
  EXPECT_EQ(blocks[0].kind, Kind::kCodeLabel);
  EXPECT_EQ(blocks[0].source, "cpp");
  EXPECT_EQ(blocks[1].source, "int a;");
  EXPECT_EQ(blocks[2].source, "");
  EXPECT_EQ(blocks[3].source, "  b;");
  EXPECT_EQ(blocks[4].kind, Kind::kText);
}

TEST(BlockSplitter, FencesCloseByTheirOwnKind) {
  EXPECT_EQ(outline("````\n```\n~~~\n`````\nx"), "c.c-T.");
  EXPECT_EQ(outline("~~~\n```\n~~~\nx"), "c.T.");
  EXPECT_EQ(outline("```\n``` no\n```\nx"), "c.T.");
  EXPECT_EQ(outline("```a`b```\nx"), "T.") << "inline code";
  EXPECT_EQ(blocks_of("  ```\n    a\n ```")[0].source, "  a") << "the indent of the fence goes";
}

TEST(BlockSplitter, QuotesTakeLazyLines) {
  EXPECT_EQ(outline("> a\nb\n\nc"), "Q.T.");
  EXPECT_EQ(outline("> a\n\n> b"), "Q.Q.");
  EXPECT_EQ(outline("> a\n- b"), "Q.i.");
}

}  // namespace
}  // namespace hearth
