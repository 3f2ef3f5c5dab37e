// Finds functions and how many lines they take, well enough for the code of this project.
#pragma once

#include <string>
#include <vector>

#include "tools/tidy/scrub.h"

namespace hearth::tidy {

struct Function {
  std::string name;
  int first_line = 0;  // of the signature, from 1
  int line_count = 0;  // signature to closing brace
};

/// Top-level functions and members. What is nested in a function belongs to it. `code` is
/// Scrubbed::code.
std::vector<Function> find_functions(const std::string& code, Language language);

}  // namespace hearth::tidy
