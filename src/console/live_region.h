// The last rows of a terminal, which can still change.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "console/style.h"
#include "console/text_flow.h"

namespace hearth {

/// Keeps rows at the end of the output up to date with the fewest control sequences: carriage
/// return, cursor up (CSI n A), clear to the end of the row (CSI K) or of the screen (CSI J). It
/// leaves the cursor behind the last row, without a line feed. Nothing above the region is touched.
///
/// What a terminal has scrolled away cannot be replaced. So a region that is taller than the screen
/// shows its end only; its other rows appear when it is committed.
class LiveRegion {
 public:
  /// Makes `rows` the rows of the region. Appends what has to be written to `output`.
  void show(std::span<const Row> rows, TerminalSize size, std::string& output);
  /// As `show`, with all rows; then they are final, and an empty region begins below them.
  void commit(std::span<const Row> rows, TerminalSize size, std::string& output);
  /// Ends the last row, if there is one. The region is empty then.
  void end_row(std::string& output);

 private:
  void replace(std::span<const Row> rows, TerminalSize size, std::string& output);
  void rewrite(std::span<const Row> rows, size_t first, TerminalSize size,
               std::string& output) const;

  std::vector<Row> drawn_;    // as they stand on the screen
  bool row_is_open_ = false;  // the cursor is behind a final row, whose line feed is due
};

}  // namespace hearth
