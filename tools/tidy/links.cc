#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>

#include "tools/tidy/rules.h"

namespace hearth::tidy {
namespace {

bool exists(const std::vector<SourceFile>& files, const std::string& path) {
  return std::any_of(files.begin(), files.end(), [&path](const SourceFile& file) {
    return file.path == path || file.path.starts_with(path + "/");
  });
}

}  // namespace

std::vector<Finding> check_links(const std::vector<SourceFile>& files) {
  static const std::regex link(R"(\]\(([^)#\s]+)(#[^)\s]*)?\))");
  std::vector<Finding> findings;
  for (const SourceFile& file : files) {
    if (!file.path.ends_with(".md")) continue;
    std::istringstream lines(file.text);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      for (std::sregex_iterator it(line.begin(), line.end(), link), end; it != end; ++it) {
        const std::string target = (*it)[1];
        if (target.find(':') != std::string::npos) continue;  // another site
        const std::filesystem::path from = std::filesystem::path(file.path).parent_path();
        std::string path = (from / target).lexically_normal().generic_string();
        if (path.ends_with('/')) path.pop_back();
        if (exists(files, path)) continue;
        findings.push_back({file.path, number, "link",
                            "there is no '" + path + "'; correct the link, or write the file", "",
                            0});
      }
    }
  }
  return findings;
}

}  // namespace hearth::tidy
