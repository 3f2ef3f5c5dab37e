// Who gets colour, and what it is written with.
#include "console/style.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include "base/error.h"

namespace hearth {
namespace {

constexpr TerminalEnvironment kXterm = {"xterm-256color", "", ""};

TEST(Colour, AnExplicitChoiceWins) {
  const TerminalEnvironment hostile = {"dumb", "1", "0"};
  EXPECT_TRUE(wants_colour(ColourChoice::kAlways, false, hostile));
  EXPECT_FALSE(wants_colour(ColourChoice::kNever, true, {"xterm", "", "1"}));
}

TEST(Colour, IsForTerminals) {
  EXPECT_TRUE(wants_colour(ColourChoice::kAuto, true, kXterm));
  EXPECT_FALSE(wants_colour(ColourChoice::kAuto, false, kXterm));
  EXPECT_FALSE(wants_colour(ColourChoice::kAuto, true, {"dumb", "", ""}));
  EXPECT_FALSE(wants_colour(ColourChoice::kAuto, true, {"", "", ""}));
}

TEST(Colour, TheEnvironmentDecides) {
  EXPECT_FALSE(wants_colour(ColourChoice::kAuto, true, {"xterm", "1", ""}));
  EXPECT_FALSE(wants_colour(ColourChoice::kAuto, true, {"xterm", "0", "1"}))
      << "any value of NO_COLOR counts, and before CLICOLOR_FORCE";
  EXPECT_TRUE(wants_colour(ColourChoice::kAuto, false, {"xterm", "", "1"}));
  EXPECT_FALSE(wants_colour(ColourChoice::kAuto, false, {"xterm", "", "0"}));
}

TEST(Colour, ChoicesAreParsed) {
  EXPECT_EQ(parse_colour_choice("auto"), ColourChoice::kAuto);
  EXPECT_EQ(parse_colour_choice("always"), ColourChoice::kAlways);
  EXPECT_EQ(parse_colour_choice("never"), ColourChoice::kNever);
  try {
    parse_colour_choice("sometimes");
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("'sometimes'"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("auto, always or never"), std::string::npos);
  }
}

TEST(StyleCodes, CombineAndVanish) {
  const Style on(true);
  EXPECT_EQ(on.begin(kBold | kCyan), "\x1b[1;36m");
  EXPECT_EQ(on.begin(kPlainStyle), "");
  EXPECT_EQ(on.end(kPlainStyle), "");
  EXPECT_EQ(on.apply(kDim, "x"), "\x1b[2mx\x1b[0m");
  const Style off(false);
  EXPECT_EQ(off.begin(kBold), "");
  EXPECT_EQ(off.apply(kBold | kRed, "x"), "x");
}

TEST(Terminal, ItsSizeIsAskedAgain) {
  int controller = -1;
  int terminal = -1;
  winsize size{33, 101, 0, 0};
  ASSERT_EQ(openpty(&controller, &terminal, nullptr, nullptr, &size), 0);
  EXPECT_TRUE(is_terminal(terminal));
  EXPECT_EQ(terminal_size(terminal), (TerminalSize{101, 33}));
  size.ws_col = 60;
  ASSERT_EQ(ioctl(controller, TIOCSWINSZ, &size), 0);
  EXPECT_EQ(terminal_size(terminal), (TerminalSize{60, 33}));
  size.ws_col = size.ws_row = 0;
  ASSERT_EQ(ioctl(controller, TIOCSWINSZ, &size), 0);
  EXPECT_EQ(terminal_size(terminal), (TerminalSize{80, 24})) << "a size that is not known";
  close(controller);
  close(terminal);
  const int file = open("/dev/null", O_RDWR);
  EXPECT_FALSE(is_terminal(file));
  EXPECT_EQ(terminal_size(file), (TerminalSize{80, 24}));
  close(file);
}

}  // namespace
}  // namespace hearth
