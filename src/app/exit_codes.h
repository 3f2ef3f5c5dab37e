// What the program's exit codes mean: one table for --help, the man pages and the tests.
#pragma once

#include <span>
#include <string>

#include "base/error.h"

namespace hearth {

struct ExitCodeRow {
  ExitCode code;
  const char* meaning;
};

/// Every code, in order of its number.
std::span<const ExitCodeRow> exit_codes();

/// "Exit codes: 0 done, 1 …": a paragraph for --help.
std::string exit_codes_text();

}  // namespace hearth
