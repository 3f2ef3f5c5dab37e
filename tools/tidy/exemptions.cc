#include <regex>
#include <sstream>

#include "tools/tidy/rules.h"

namespace hearth::tidy {

std::vector<Exemption> parse_exemptions(const SourceFile& file, std::vector<Finding>& findings) {
  static const std::regex format(R"(^([^\s:]+)(?::(\S+))?\s+([\w-]+)(?:=(\d+))?\s+(\S.*)$)");
  std::vector<Exemption> exemptions;
  std::istringstream lines(file.text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    std::smatch match;
    if (!std::regex_match(line, match, format)) {
      findings.push_back({file.path, number, "exemption",
                          "not of the form PATH[:FUNCTION] RULE[=LINES] REASON", "", 0});
      continue;
    }
    exemptions.push_back({.path = match[1],
                          .function = match[2],
                          .rule = match[3],
                          .limit = match[4].matched ? std::stoi(match[4]) : 0,
                          .line = number});
  }
  return exemptions;
}

std::vector<Finding> apply_exemptions(const std::vector<Finding>& findings,
                                      const SourceFile& file) {
  std::vector<Finding> kept;
  const std::vector<Exemption> exemptions = parse_exemptions(file, kept);
  const auto is_exempt = [&exemptions](const Finding& finding) {
    for (const Exemption& exemption : exemptions) {
      if (exemption.path != finding.path || exemption.rule != finding.rule) continue;
      if (!exemption.function.empty() && exemption.function != finding.function) continue;
      exemption.used = true;
      if (finding.size <= exemption.limit) return true;
    }
    return false;
  };
  for (const Finding& finding : findings) {
    if (!is_exempt(finding)) kept.push_back(finding);
  }
  for (const Exemption& exemption : exemptions) {
    if (exemption.used) continue;
    kept.push_back({file.path, exemption.line, "exemption",
                    "exempts nothing any more; remove the line", "", 0});
  }
  return kept;
}

}  // namespace hearth::tidy
