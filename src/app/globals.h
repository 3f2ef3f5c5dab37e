// What every subcommand understands: --quiet, --verbose, --color.
#pragma once

#include "console/style.h"

namespace CLI {
class App;
}

namespace hearth {

struct Globals {
  bool quiet = false;    ///< only results, warnings and errors
  bool verbose = false;  ///< also why: which settings hold and where they come from
  ColourChoice color = ColourChoice::kAuto;
};

/// The group of these options in --help.
inline constexpr const char* kGlobalGroup = "Global options";

/// Adds the options to the program. Every subcommand accepts them, before and after its name.
void add_global_options(CLI::App& program);

/// The choices of this run, for the callback of a subcommand.
Globals globals_of(const CLI::App& command);

/// What the environment says about colour.
TerminalEnvironment terminal_environment();

/// The program that a subcommand, or a subcommand of one, belongs to.
const CLI::App& program_of(const CLI::App& command);

}  // namespace hearth
