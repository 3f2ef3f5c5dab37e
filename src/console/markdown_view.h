// Shows Markdown on a terminal while it arrives.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "console/block_splitter.h"
#include "console/display_text.h"
#include "console/live_region.h"
#include "console/markdown_layout.h"
#include "console/style.h"

namespace hearth {

enum class ViewMode {
  kRaw,       ///< bytes as they are: for files and pipes
  kPlain,     ///< text as it is, but harmless: for terminals that are asked not to render
  kRendered,  ///< laid out, the last block redrawn as it grows
};

struct MarkdownViewOptions {
  ViewMode mode = ViewMode::kRaw;
  Style style{false};
  unsigned base_styles = kPlainStyle;  ///< of all text, such as kDim for a model's thinking
  std::function<TerminalSize()> size = [] { return TerminalSize(); };
  std::function<void(std::string_view)> write = {};  ///< called at most once per piece
};

/// What a stream of this kind should get.
ViewMode view_mode(bool is_terminal, bool can_redraw, bool wants_plain);

/// One document. Blocks that are finished are written once; only the last one is redrawn, and only
/// from the first row that changed. Where a block ends depends on the text alone, so the screen in
/// the end is the same however the text was split.
///
/// A block that outgrows the screen is written in parts: code line by line, lists item by item, a
/// paragraph up to a row that begins outside of emphasis, a table row by row with the widths that
/// it had. A single quote or item that is taller than the screen shows its end until it is
/// finished.
///
/// Nothing that the text contains reaches the terminal as a control sequence, but in kRaw.
class MarkdownView {
 public:
  explicit MarkdownView(MarkdownViewOptions options) : options_(std::move(options)) {}

  /// The next piece: any bytes, in the middle of a word or of a character.
  void add(std::string_view piece);
  /// The end of the document. The cursor is at the beginning of a row then, if anything was shown.
  /// Another document may follow.
  void finish();

 private:
  void take_text(std::string_view text);
  void take_line();
  void write_plain(std::string_view text, std::string& output);
  void write_finished();
  void cut_long_line();
  size_t cut_paragraph(const MarkdownBlock& paragraph);
  void cut_table();
  std::vector<Row> rows_of(const MarkdownBlock& block, bool is_first) const;
  std::vector<Row> live_rows() const;
  bool too_tall(size_t rows) const { return rows + 1 > static_cast<size_t>(size_.rows); }
  LayoutOptions layout_options() const {
    return {size_.columns, options_.style, options_.base_styles};
  }

  MarkdownViewOptions options_;
  TerminalSize size_;
  TextFilter filter_;
  BlockSplitter splitter_;
  std::string line_;           // that is not complete yet
  size_t next_cut_check_ = 0;  // in bytes of the open paragraph
  bool has_rows_ = false;      // something of this document is final
  bool plain_line_open_ = false;
  LiveRegion region_;
  std::string output_;
};

}  // namespace hearth
