// Cuts growing Markdown into blocks that can be laid out one by one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

/// A piece of a document that no later line changes, once it is finished: a paragraph, heading,
/// table or quote at the outermost level, one item of an outermost list with all that is in it, one
/// line of a fenced code block.
struct MarkdownBlock {
  enum class Kind { kText, kQuote, kItem, kIndentedCode, kRule, kCodeLabel, kCodeLine };

  Kind kind = Kind::kText;
  std::string source;             ///< whole lines; of code the bare text
  bool has_gap = true;            ///< an empty row separates it from what is above
  int number = -1;                ///< what an ordered item gets; -1: none
  std::vector<int> table_widths;  ///< of a table whose first rows have been written; else empty
};

/// Follows CommonMark as far as the outermost level goes; what is inside of a block is left to
/// the parser. The one departure: a reference (`[text][name]`) finds its definition only within the
/// same block. A value: a copy can try a line that is not complete yet.
class BlockSplitter {
 public:
  /// One complete line without its line feed.
  void add_line(std::string_view line);
  /// No line follows.
  void finish() { close(); }

  /// The finished blocks since the last call, in order.
  std::vector<MarkdownBlock> take_finished();
  /// The block that further lines may belong to, if there is one.
  const MarkdownBlock* open() const { return open_ ? &*open_ : nullptr; }
  /// Whether lines are those of a fenced code block now.
  bool in_code() const { return fence_.has_value(); }

  /// The first part of a paragraph has been written: the open block is the rest of it, of which the
  /// complete lines are given (perhaps none).
  void continue_paragraph(std::string_view lines);
  /// The rows of the open table have been written; those to come keep its widths.
  void continue_table(std::vector<int> widths);

 private:
  struct Fence {
    char character;
    size_t length;
    int indent;
    bool has_lines;
    bool has_label;
  };
  struct Line;

  static Line look_at(std::string_view text);
  bool continues(const Line& line) const;
  bool interrupts_paragraph(const Line& line) const;
  void begin(const Line& line);
  void add_code_line(std::string_view line);
  void open_fence(const Line& line);
  void close();

  std::vector<MarkdownBlock> finished_;
  std::optional<MarkdownBlock> open_;
  std::optional<Fence> fence_;
  bool after_blank_ = false;   // whether the line before was empty
  int item_indent_ = 0;        // columns to where the text of the open item begins
  char last_item_marker_ = 0;  // of the list that the last block was an item of; 0: it was none
  int last_item_number_ = -1;
};

}  // namespace hearth
