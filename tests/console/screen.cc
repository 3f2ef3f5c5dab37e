#include "tests/console/screen.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "console/display_text.h"

namespace hearth::testing {

size_t Screen::top() const { return scrolled_; }

void Screen::write(std::string_view output) {
  while (!output.empty()) {
    if (output.starts_with("\x1b[")) {
      const size_t end = output.find_first_not_of("0123456789;", 2);
      ASSERT_NE(end, std::string_view::npos) << "a control sequence without an end";
      control(output[end], std::string(output.substr(2, end - 2)));
      output.remove_prefix(end + 1);
    } else if (output[0] == '\n') {
      line_feed();
      output.remove_prefix(1);
    } else if (output[0] == '\r') {
      column_ = 0;
      output.remove_prefix(1);
    } else {
      const size_t end = std::min(output.find_first_of("\x1b\r\n"), output.size());
      ASSERT_GT(end, 0u) << "an escape character that begins no control sequence";
      for (const Character& character : characters_of(output.substr(0, end))) {
        for (const char c : character.text) {
          ASSERT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << "control character";
        }
        put(character.text, character.columns);
      }
      output.remove_prefix(end);
    }
  }
}

void Screen::control(char final_byte, const std::string& parameters) {
  if (final_byte == 'm') {
    style_ = parameters == "0" ? "" : parameters;
  } else if (final_byte == 'A') {
    const size_t up = std::stoul(parameters);
    ASSERT_LE(up, row_ - top()) << "the cursor would leave the screen";
    row_ -= up;
  } else if ((final_byte == 'J' || final_byte == 'K') && parameters.empty()) {
    if (final_byte == 'J') lines_.resize(row_ + 1);
    // A cursor that waits behind a full row stands on its last column.
    const size_t column = std::min(column_, static_cast<size_t>(columns_) - 1);
    if (lines_[row_].size() > column) lines_[row_].resize(column);
  } else {
    FAIL() << "unknown control sequence: CSI " << parameters << final_byte;
  }
}

void Screen::line_feed() {
  ++row_;
  if (row_ == lines_.size()) lines_.emplace_back();
  scrolled_ =
      std::max(scrolled_, row_ + 1 - std::min<size_t>(row_ + 1, static_cast<size_t>(rows_)));
}

/// A wide character takes a cell and an empty one.
void Screen::put(std::string_view character, int columns) {
  if (columns == 0 && column_ > 0) {
    lines_[row_][column_ - 1].text += character;
    return;
  }
  if (column_ + static_cast<size_t>(columns) > static_cast<size_t>(columns_)) {
    column_ = 0;
    line_feed();
  }
  auto& line = lines_[row_];
  const size_t end = column_ + static_cast<size_t>(columns);
  if (line.size() < end) line.resize(end, {" ", ""});
  line[column_] = {std::string(character), style_};
  for (size_t i = column_ + 1; i < end; ++i) line[i] = {"", style_};
  column_ = end;
}

std::string Screen::transcript() const {
  std::string all;
  for (size_t i = 0; i < lines_.size(); ++i) {
    std::string style;
    for (const Cell& cell : lines_[i]) {
      if (cell.style != style) all.append("{").append(style = cell.style).append("}");
      all += cell.text;
    }
    if (!style.empty()) all += "{}";
    if (i + 1 < lines_.size()) all += '\n';
  }
  return all;
}

std::string Screen::text() const {
  std::string all;
  for (size_t i = 0; i < lines_.size(); ++i) {
    for (const Cell& cell : lines_[i]) all += cell.text;
    if (i + 1 < lines_.size()) all += '\n';
  }
  return all;
}

}  // namespace hearth::testing
