// One block of Markdown, laid out in rows of a terminal. The parser is md4c.
#pragma once

#include <vector>

#include "console/block_splitter.h"
#include "console/style.h"
#include "console/text_flow.h"

namespace hearth {

struct LayoutOptions {
  int columns = 80;    ///< of the terminal; rows are shorter by one, but for long code
  Style style{false};  ///< when off, marks like ** and ` stay visible
  unsigned base_styles = kPlainStyle;  ///< what all text has, besides its own
};

struct BlockLayout {
  std::vector<Row> rows;
  std::vector<int> table_widths;  ///< of a block that is a table; else empty
};

/// `block.source` has passed a TextFilter. The result depends on nothing but the arguments.
BlockLayout lay_out_block(const MarkdownBlock& block, const LayoutOptions& options);

}  // namespace hearth
