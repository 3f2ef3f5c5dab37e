// Separates a source text into code, string literals and comments, so that a rule never mistakes
// one for another.
#pragma once

#include <string>
#include <string_view>

namespace hearth::tidy {

enum class Language { kCpp, kRust, kPython, kScript, kDocument };  // kScript: shell, CMake, awk

/// Three texts of the same length and with the same line ends as the source; what belongs to one
/// is spaces in the others. Quotation marks are code.
struct Scrubbed {
  std::string code;
  std::string strings;
  std::string comments;
};

Scrubbed scrub(std::string_view text, Language language);

}  // namespace hearth::tidy
