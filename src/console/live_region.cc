#include "console/live_region.h"

#include <algorithm>

namespace hearth {
namespace {

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
    move_up_to(same, size.columns, output);
    output += "\x1b[J";
    if (same < rows.size()) output += rows[same].text;
    next = same + 1;
  }
  for (; next < rows.size(); ++next) write_row(rows[next], true, output);
  drawn_.assign(rows.begin(), rows.end());
  if (drawn_.empty()) drawn_.emplace_back();
}

void LiveRegion::move_up_to(size_t row, int columns, std::string& output) const {
  int up = -1;
  for (size_t i = row; i < drawn_.size(); ++i) up += height_of(drawn_[i], columns);
  output += '\r';
  if (up > 0) output.append("\x1b[").append(std::to_string(up)) += 'A';
}

}  // namespace hearth
