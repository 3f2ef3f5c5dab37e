// Who may include whom: the table of docs/ARCHITECTURE.md.
#pragma once

#include <string>
#include <vector>

#include "tools/tidy/rules.h"

namespace hearth::tidy {

struct Include {
  int line = 0;
  std::string target;
  bool is_quoted = false;  // "…" as opposed to <…>
};

std::vector<Include> find_includes(const std::string& text, const std::string& code);

/// The include rules that one file can break by itself. `code` is Scrubbed::code of `text`.
std::vector<Finding> check_includes(const std::string& path, const std::string& text,
                                    const std::string& code);

}  // namespace hearth::tidy
