#include <map>
#include <regex>
#include <sstream>

#include "tools/tidy/rules.h"

namespace hearth::tidy {
namespace {

struct Definition {
  std::string name;  // with its namespace
  int line = 0;
};

/// The types that a header defines outside of other types; they start at the first column.
std::vector<Definition> types_of(const SourceFile& header) {
  static const std::regex opened(R"(^namespace ([\w:]+) \{)");
  static const std::regex type(
      R"(^(?:class|struct|union|enum class|enum) (?:\[\[\w+\]\] )?(\w+)\b)");
  std::vector<Definition> found;
  std::string space;
  std::istringstream lines(header.text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (std::regex_search(line, match, opened)) space += match[1].str() + "::";
    const bool forward = line.ends_with(';') && line.find('{') == std::string::npos;
    if (!forward && std::regex_search(line, match, type)) {
      found.push_back({space + match[1].str(), number});
    }
  }
  return found;
}

}  // namespace

std::vector<Finding> check_names(const std::vector<SourceFile>& files) {
  std::map<std::string, std::string> owners;
  std::vector<Finding> findings;
  for (const SourceFile& file : files) {
    if (!file.path.starts_with("src/") || !file.path.ends_with(".h")) continue;
    for (const Definition& definition : types_of(file)) {
      const auto [owner, first] = owners.emplace(definition.name, file.path);
      if (first || owner->second == file.path) continue;
      findings.push_back({file.path, definition.line, "one-name",
                          definition.name + " is also a type of " + owner->second +
                              ": the linker takes one for the other; rename it",
                          "", 0});
    }
  }
  return findings;
}

}  // namespace hearth::tidy
