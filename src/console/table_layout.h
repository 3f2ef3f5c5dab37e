// Tables, fitted to the columns of a terminal.
#pragma once

#include <vector>

#include "console/text_flow.h"

namespace hearth {

enum class Alignment { kLeft, kCentre, kRight };

struct TableText {
  std::vector<Alignment> alignments;                  // [columns]
  std::vector<std::vector<std::vector<Glyph>>> rows;  // [rows][columns][glyphs]; the first: heads
};

/// Columns for each column of the table such that all fit into `columns`: as wide as their cells
/// are, the widest ones narrowed where that is too much. Empty if there is no room for that many.
std::vector<int> table_widths(const TableText& table, int columns);

/// With `widths`: heads above a rule, and cells that break into several rows. Without: a row
/// `head: cell` for each cell. `with_head` is false where the head has been written before.
std::vector<Row> lay_out_table(const TableText& table, const std::vector<int>& widths, int columns,
                               bool with_head, const Style& style);

}  // namespace hearth
