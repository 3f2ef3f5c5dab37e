// Colour and size of a terminal: whether a stream gets styles, and which there are.
#pragma once

#include <string>
#include <string_view>

namespace hearth {

enum class ColourChoice { kAuto, kAlways, kNever };

/// The environment variables that decide about colour and control sequences. The program reads
/// them; an absent one is empty.
struct TerminalEnvironment {
  std::string_view term;            ///< TERM
  std::string_view no_color;        ///< NO_COLOR: any value turns colour off
  std::string_view clicolor_force;  ///< CLICOLOR_FORCE: any value but 0 turns it on
};

/// `auto`, `always` or `never`. Throws UsageError.
ColourChoice parse_colour_choice(std::string_view text);

/// An explicit choice wins, then NO_COLOR, then CLICOLOR_FORCE, then whether it is a terminal that
/// knows control sequences.
bool wants_colour(ColourChoice choice, bool is_terminal, const TerminalEnvironment& environment);

/// Whether rows that were written can be replaced: a terminal, and not one that calls itself dumb.
bool can_redraw(bool is_terminal, const TerminalEnvironment& environment);

bool is_terminal(int descriptor);

struct TerminalSize {
  int columns = 80;
  int rows = 24;
  bool operator==(const TerminalSize&) const = default;
};

/// The size now, or 80 by 24 where the descriptor has none. Cheap: ask again after a resize.
TerminalSize terminal_size(int descriptor);

/// Properties of a stretch of text; they combine as bits.
enum TextStyle : unsigned {
  kPlainStyle = 0,
  kBold = 1,
  kDim = 2,
  kItalic = 4,
  kUnderline = 8,
  kStrike = 16,
  kRed = 32,
  kGreen = 64,
  kYellow = 128,
  kBlue = 256,
  kMagenta = 512,
  kCyan = 1024,
};

/// Control sequences for styles; nothing but empty strings when off.
class Style {
 public:
  explicit Style(bool on) : on_(on) {}
  bool on() const { return on_; }
  /// Switches `styles` on; empty for none.
  std::string begin(unsigned styles) const;
  /// Switches every style off; empty if `styles` was none.
  std::string_view end(unsigned styles = ~0u) const;
  /// `text` between the two.
  std::string apply(unsigned styles, std::string_view text) const;

 private:
  bool on_;
};

}  // namespace hearth
