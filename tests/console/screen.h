// A terminal's screen, as far as hearth's control sequences go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hearth::testing {

/// Understands text, line feed, carriage return, CSI n A, CSI J, CSI K and CSI … m; wraps at the
/// last column the way VT100 and its successors do (the cursor waits there until the next
/// character). Everything else is a failure of the test, and so is moving above the top.
class Screen {
 public:
  Screen(int columns, int rows) : columns_(columns), rows_(rows), lines_(1) {}

  void write(std::string_view output);

  /// All rows from the first one written to the cursor's, those scrolled away included. Styles are
  /// written as {1;36}.
  std::string transcript() const;
  /// As above, without styles.
  std::string text() const;
  size_t row_count() const { return lines_.size(); }

 private:
  struct Cell {
    std::string text;
    std::string style;
  };

  void control(char final_byte, const std::string& parameters);
  void put(std::string_view character, int columns);
  void line_feed();
  size_t top() const;  // index of the first line on the screen

  int columns_;
  int rows_;
  std::vector<std::vector<Cell>> lines_;
  size_t row_ = 0;
  size_t column_ = 0;
  size_t scrolled_ = 0;  // lines that have left the screen
  std::string style_;
};

}  // namespace hearth::testing
