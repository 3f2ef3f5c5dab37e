// What CLI11 refuses, in words that say what to do.
#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace hearth {

/// A message for a command line that does not parse: what is wrong, what is meant perhaps, and
/// which help explains it. `program` is as the failed parse left it.
std::string usage_message(CLI::App& program, const CLI::ParseError& error);

}  // namespace hearth
