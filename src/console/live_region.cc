#include "console/live_region.h"

#include <algorithm>

namespace hearth {
namespace {

constexpr const char* kClearRow = "\x1b[K";    // from the cursor on
constexpr const char* kClearBelow = "\x1b[J";  // and all rows below

/// Rows of the screen that one takes. After the window was made narrower, the terminal has wrapped
/// what was written for a wider one.
int height_of(const Row& row, int columns) {
  return std::max(1, (row.columns + columns - 1) / std::max(columns, 1));
}

bool looks_same(const Row& a, const Row& b) {
  return a.text == b.text && a.is_continuation == b.is_continuation;
}

void write_row(const Row& row, bool follows, std::string& output) {
  if (follows && !row.is_continuation) output += "\r\n";
  output += row.text;
}

}  // namespace

void LiveRegion::show(std::span<const Row> rows, TerminalSize size, std::string& output) {
  // One row is left free, for terminals that scroll early.
  const auto room = static_cast<size_t>(std::max(size.rows - 1, 1));
  if (rows.size() <= room) {
    replace(rows, size, output);
    return;
  }
  rows = rows.last(room);
  std::vector<Row> tail(rows.begin(), rows.end());
  tail[0].is_continuation = false;  // of a row that is not there
  replace(tail, size, output);
}

void LiveRegion::commit(std::span<const Row> rows, TerminalSize size, std::string& output) {
  if (rows.size() < drawn_.size() &&
      std::equal(rows.begin(), rows.end(), drawn_.begin(), looks_same)) {
    // They stand there already, and what is below them is kept.
    drawn_.erase(drawn_.begin(), drawn_.begin() + static_cast<std::ptrdiff_t>(rows.size()));
    return;
  }
  replace(rows, size, output);
  if (drawn_.empty()) return;
  // An empty region that was drawn before has left an empty row, which the next one fills.
  row_is_open_ = !rows.empty();
  drawn_.clear();
}

void LiveRegion::end_row(std::string& output) {
  if (row_is_open_ || !drawn_.empty()) output += "\r\n";
  row_is_open_ = false;
  drawn_.clear();
}

void LiveRegion::replace(std::span<const Row> rows, TerminalSize size, std::string& output) {
  if (drawn_.empty()) {
    if (rows.empty()) return;
    write_row(rows[0], row_is_open_, output);
    for (size_t i = 1; i < rows.size(); ++i) write_row(rows[i], true, output);
    drawn_.assign(rows.begin(), rows.end());
    return;
  }
  const size_t common = std::min(rows.size(), drawn_.size());
  auto same = static_cast<size_t>(std::mismatch(rows.begin(),
                                                rows.begin() + static_cast<std::ptrdiff_t>(common),
                                                drawn_.begin(), looks_same)
                                      .first -
                                  rows.begin());
  if (same == drawn_.size() && same == rows.size()) return;
  // The cursor has to end behind the last row: where rows only vanish, that one is written again.
  if (same == rows.size() && same > 0) --same;
  size_t next = same;
  const Row& last = drawn_.back();
  if (same == drawn_.size()) {
    // Rows are added below.
  } else if (same + 1 == drawn_.size() && rows.size() > same &&
             rows[same].text.starts_with(last.text)) {
    output.append(rows[same].text, last.text.size());
    next = same + 1;
  } else {
    rewrite(rows, same, size, output);
    next = rows.size();
  }
  for (; next < rows.size(); ++next) write_row(rows[next], true, output);
  drawn_.assign(rows.begin(), rows.end());
  if (drawn_.empty()) drawn_.emplace_back();
}

/// Writes the rows from `first` on over those that stand there. Rows are cleared one by one: tmux
/// takes clearing the screen from its first cell on for a wish to keep it, and scrolls.
void LiveRegion::rewrite(std::span<const Row> rows, size_t first, TerminalSize size,
                         std::string& output) const {
  int height = 0;
  for (size_t i = first; i < drawn_.size(); ++i) height += height_of(drawn_[i], size.columns);
  output += '\r';
  if (height > 1) output.append("\x1b[").append(std::to_string(height - 1)) += 'A';
  // In a full row the cursor waits in the last column, and clearing would take that.
  const bool has_full_rows = std::any_of(
      rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(),
      [&](const Row& row) { return row.is_continuation || row.columns >= size.columns; });
  if (has_full_rows) output += kClearBelow;
  for (size_t i = first; i < rows.size(); ++i) {
    if (i > first && !rows[i].is_continuation) output += "\r\n";
    if (!has_full_rows) output += kClearRow;
    output += rows[i].text;
  }
  const bool has_fewer = static_cast<size_t>(height) > rows.size() - first;
  if (has_fewer && !has_full_rows) output += kClearBelow;
}

}  // namespace hearth
