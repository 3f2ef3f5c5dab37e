// hearth_tidy ROOT: checks the source tree against docs/STYLE.md and prints `file:line: rule: what,
// and how to fix it`. Exit status: 0 clean, 1 findings, 2 usage.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "tools/tidy/rules.h"

namespace hearth::tidy {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExemptions = "tools/tidy/exemptions.txt";

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// Data, what tools generate, and what is not ours.
bool is_skipped_folder(const fs::path& relative) {
  const std::string name = relative.filename().string();
  return name.starts_with('.') || name.starts_with("build") || name == "target" ||
         name == "node_modules" || name == "__pycache__" || relative == "tests/checkpoints" ||
         relative == "tests/golden";
}

std::vector<SourceFile> read_tree(const fs::path& root) {
  std::vector<SourceFile> files;
  for (fs::recursive_directory_iterator it(root), end; it != end; ++it) {
    const fs::path relative = fs::relative(it->path(), root);
    if (it->is_directory()) {
      if (is_skipped_folder(relative) && relative != ".ci") it.disable_recursion_pending();
    } else if (it->is_regular_file() && it->file_size() < (1u << 20)) {
      files.push_back({relative.generic_string(), read_file(it->path())});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

int run(const fs::path& root) {
  const std::vector<SourceFile> files = read_tree(root);
  std::vector<Finding> findings = check_reach(files);
  for (const Finding& finding : check_links(files)) findings.push_back(finding);
  for (const Finding& finding : check_names(files)) findings.push_back(finding);
  for (const SourceFile& file : files) {
    for (const Finding& finding : check_file(file)) findings.push_back(finding);
  }
  findings = apply_exemptions(findings, {kExemptions, read_file(root / kExemptions)});
  std::sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.path, a.line, a.rule) < std::tie(b.path, b.line, b.rule);
  });
  for (const Finding& finding : findings) {
    std::printf("%s:%d: %s: %s\n", finding.path.c_str(), finding.line, finding.rule.c_str(),
                finding.message.c_str());
  }
  std::printf("%zu files, %zu findings\n", files.size(), findings.size());
  return findings.empty() ? 0 : 1;
}

}  // namespace
}  // namespace hearth::tidy

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: hearth_tidy ROOT\n");
    return 2;
  }
  return hearth::tidy::run(argv[1]);
}
