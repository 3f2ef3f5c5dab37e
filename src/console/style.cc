#include "console/style.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"

namespace hearth {
namespace {

struct StyleCode {
  unsigned style;
  const char* code;
};

/// Parameters of SGR. Colours are of the basic eight, which every theme keeps legible.
constexpr StyleCode kStyleCodes[] = {{kBold, "1"},      {kDim, "2"},     {kItalic, "3"},
                                     {kUnderline, "4"}, {kStrike, "9"},  {kRed, "31"},
                                     {kGreen, "32"},    {kYellow, "33"}, {kBlue, "34"},
                                     {kMagenta, "35"},  {kCyan, "36"}};

}  // namespace

ColourChoice parse_colour_choice(std::string_view text) {
  if (text == "auto") return ColourChoice::kAuto;
  if (text == "always") return ColourChoice::kAlways;
  if (text == "never") return ColourChoice::kNever;
  throw UsageError(fmt::format("unknown choice of colour '{}': write auto, always or never", text));
}

bool wants_colour(ColourChoice choice, bool is_terminal, const TerminalEnvironment& environment) {
  if (choice != ColourChoice::kAuto) return choice == ColourChoice::kAlways;
  if (!environment.no_color.empty()) return false;
  if (!environment.clicolor_force.empty() && environment.clicolor_force != "0") return true;
  return can_redraw(is_terminal, environment);
}

bool can_redraw(bool is_terminal, const TerminalEnvironment& environment) {
  return is_terminal && !environment.term.empty() && environment.term != "dumb";
}

bool is_terminal(int descriptor) { return isatty(descriptor) == 1; }

TerminalSize terminal_size(int descriptor) {
  TerminalSize size;
  winsize found{};
  if (ioctl(descriptor, TIOCGWINSZ, &found) == 0) {
    if (found.ws_col > 0) size.columns = found.ws_col;
    if (found.ws_row > 0) size.rows = found.ws_row;
  }
  return size;
}

std::string Style::begin(unsigned styles) const {
  if (!on_ || styles == kPlainStyle) return "";
  std::string sequence = "\x1b[";
  for (const auto& [style, code] : kStyleCodes) {
    if ((styles & style) == 0) continue;
    if (sequence.back() != '[') sequence += ';';
    sequence += code;
  }
  return sequence += 'm';
}

std::string_view Style::end(unsigned styles) const {
  return on_ && styles != kPlainStyle ? "\x1b[0m" : "";
}

std::string Style::apply(unsigned styles, std::string_view text) const {
  return begin(styles).append(text).append(end(styles));
}

}  // namespace hearth
