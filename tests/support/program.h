// Runs the built program as a user does.
#pragma once

#include <string>
#include <vector>

namespace hearth::testing {

struct Outcome {
  int exit_code = -1;  // −1: ended by a signal
  std::string out;
  std::string err;
};

/// Runs `program` with the arguments, through a shell. `before` is put in front of the command, as
/// it is: an assignment, a limit, a pipe into it.
Outcome run_program(const std::string& program, const std::vector<std::string>& arguments,
                    const std::string& before = "");

}  // namespace hearth::testing
