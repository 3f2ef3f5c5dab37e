// The program itself, as these tests run it.
#pragma once

#include <string>
#include <vector>

#include "tests/support/program.h"

namespace hearth::testing {

/// A checkpoint of four layers, from the root of the source tree.
inline const std::string kModel = "tests/checkpoints/int4-mixed";

inline Outcome run_hearth(const std::vector<std::string>& arguments,
                          const std::string& before = "") {
  return run_program(HEARTH_PROGRAM, arguments, before);
}

}  // namespace hearth::testing
