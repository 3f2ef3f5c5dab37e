// The rules of docs/STYLE.md that a program can check.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tidy/scrub.h"

namespace hearth::tidy {

struct SourceFile {
  std::string path;  // from the root of the tree, with /
  std::string text;
};

struct Finding {
  std::string path;
  int line = 0;
  std::string rule;
  std::string message;   // what is wrong, and how to fix it
  std::string function;  // the function at fault; may be empty
  int size = 0;          // lines, for the rules about lengths
};

/// All findings in one file; nothing for a file of no known language.
std::vector<Finding> check_file(const SourceFile& file);

/// Findings that need several files: which headers an instruction-set file reaches.
std::vector<Finding> check_reach(const std::vector<SourceFile>& files);

/// Links of documents to files that do not exist.
std::vector<Finding> check_links(const std::vector<SourceFile>& files);

/// Types that two headers of src/ define under the same name.
std::vector<Finding> check_names(const std::vector<SourceFile>& files);

/// A line of exemptions.txt: `PATH[:FUNCTION] RULE[=LINES] REASON`.
struct Exemption {
  std::string path;
  std::string function;
  std::string rule;
  int limit = 0;  // lines allowed, for the rules about lengths
  int line = 0;   // in exemptions.txt
  mutable bool used = false;
};

/// Parses exemptions.txt; what cannot be parsed is a finding.
std::vector<Exemption> parse_exemptions(const SourceFile& file, std::vector<Finding>& findings);

/// Removes what is exempt, adds a finding for each exemption that exempts nothing.
std::vector<Finding> apply_exemptions(const std::vector<Finding>& findings,
                                      const SourceFile& exemptions);

}  // namespace hearth::tidy
