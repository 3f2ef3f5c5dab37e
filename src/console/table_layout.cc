#include "console/table_layout.h"

#include <algorithm>
#include <numeric>

namespace hearth {
namespace {

constexpr int kMinColumnWidth = 4;
constexpr int kSeparatorColumns = 3;

std::vector<Glyph> plain(std::string_view text, unsigned styles) {
  std::vector<Glyph> glyphs;
  append_text(glyphs, text, styles);
  return glyphs;
}

void append(std::vector<Glyph>& to, std::span<const Glyph> from) {
  to.insert(to.end(), from.begin(), from.end());
}

Row row_of(const std::vector<Glyph>& glyphs, const Style& style) {
  return {styled(glyphs, style), columns_of(glyphs)};
}

/// `cell` in `width` columns. The last column gets no spaces at its end.
void append_aligned(std::vector<Glyph>& line, std::span<const Glyph> cell, int width,
                    Alignment alignment, bool is_last) {
  const int free = std::max(width - columns_of(cell), 0);
  const int left = alignment == Alignment::kLeft     ? 0
                   : alignment == Alignment::kCentre ? free / 2
                                                     : free;
  append_text(line, std::string(static_cast<size_t>(left), ' '), kPlainStyle);
  append(line, cell);
  if (!is_last) append_text(line, std::string(static_cast<size_t>(free - left), ' '), kPlainStyle);
}

void lay_out_row(const TableText& table, const std::vector<std::vector<Glyph>>& cells,
                 const std::vector<int>& widths, const Style& style, std::vector<Row>& rows) {
  std::vector<std::vector<std::span<const Glyph>>> parts;  // [columns][rows of the cell]
  size_t height = 1;
  for (size_t c = 0; c < widths.size(); ++c) {
    parts.push_back(c < cells.size() ? break_rows(cells[c], widths[c])
                                     : std::vector<std::span<const Glyph>>(1));
    height = std::max(height, parts.back().size());
  }
  for (size_t r = 0; r < height; ++r) {
    std::vector<Glyph> line;
    for (size_t c = 0; c < widths.size(); ++c) {
      if (c > 0) append_text(line, " │ ", kDim);
      const auto cell = r < parts[c].size() ? parts[c][r] : std::span<const Glyph>();
      append_aligned(line, cell, widths[c], table.alignments[c], c + 1 == widths.size());
    }
    rows.push_back(row_of(line, style));
  }
}

Row rule(const std::vector<int>& widths, const Style& style) {
  std::string text;
  for (size_t c = 0; c < widths.size(); ++c) {
    if (c > 0) text += "─┼─";
    for (int i = 0; i < widths[c]; ++i) text += "─";
  }
  return row_of(plain(text, kDim), style);
}

/// For terminals that are too narrow: `head: cell`, one below the other.
std::vector<Row> lay_out_records(const TableText& table, int columns, const Style& style) {
  std::vector<Row> rows;
  for (size_t r = 1; r < table.rows.size(); ++r) {
    if (r > 1) rows.emplace_back();
    for (size_t c = 0; c < table.rows[r].size(); ++c) {
      std::vector<Glyph> line = c < table.rows[0].size() ? table.rows[0][c] : std::vector<Glyph>();
      append_text(line, ": ", kBold);
      append(line, table.rows[r][c]);
      for (const auto part : break_rows(line, columns)) {
        rows.push_back(row_of({part.begin(), part.end()}, style));
      }
    }
  }
  return rows;
}

}  // namespace

std::vector<int> table_widths(const TableText& table, int columns) {
  const int count = static_cast<int>(table.alignments.size());
  const int room = columns - kSeparatorColumns * (count - 1);
  if (count == 0 || room < kMinColumnWidth * count) return {};
  std::vector<int> widths(static_cast<size_t>(count), 1);
  for (const auto& row : table.rows) {
    for (size_t c = 0; c < std::min(row.size(), widths.size()); ++c) {
      widths[c] = std::max(widths[c], columns_of(row[c]));
    }
  }
  // Narrow the widest column, one step at a time: short columns keep their width.
  for (int sum = std::accumulate(widths.begin(), widths.end(), 0); sum > room; --sum) {
    --*std::max_element(widths.begin(), widths.end());
  }
  return widths;
}

std::vector<Row> lay_out_table(const TableText& table, const std::vector<int>& widths, int columns,
                               bool with_head, const Style& style) {
  if (widths.empty()) return lay_out_records(table, columns, style);
  std::vector<Row> rows;
  if (with_head && !table.rows.empty()) {
    lay_out_row(table, table.rows[0], widths, style, rows);
    rows.push_back(rule(widths, style));
  }
  for (size_t r = 1; r < table.rows.size(); ++r) {
    lay_out_row(table, table.rows[r], widths, style, rows);
  }
  return rows;
}

}  // namespace hearth
