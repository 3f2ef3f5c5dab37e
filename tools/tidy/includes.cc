#include "tools/tidy/includes.h"

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string_view>

#include "tools/tidy/functions.h"

namespace hearth::tidy {
namespace {

/// The table: what each module may include, besides itself. What these include follows from it.
const std::map<std::string, std::set<std::string>>& include_table() {
  static const std::map<std::string, std::set<std::string>> table = {
      {"app", {"server", "hub", "console"}},
      {"server", {"answer"}},
      {"answer", {"engine", "text"}},
      {"engine", {"model"}},
      {"model", {"backend", "formats"}},
      {"formats", {"checkpoint"}},
      {"checkpoint", {"tensor", "os"}},
      {"backend", {"kernels", "os"}},
      {"kernels", {"tensor"}},
      {"tensor", {"base"}},
      {"os", {"base"}},
      {"text", {"base"}},
      {"hub", {"checkpoint"}},
      {"console", {"base"}},
      {"base", {}},
  };
  return table;
}

std::set<std::string> reachable(const std::string& module) {
  std::set<std::string> seen = {module};
  for (const std::string& lower : include_table().at(module)) {
    seen.merge(reachable(lower));
  }
  return seen;
}

std::string module_of(const std::string& source_path) {  // src/MODULE/…
  const size_t slash = source_path.find('/', 4);
  return source_path.starts_with("src/") && slash != std::string::npos
             ? source_path.substr(4, slash - 4)
             : "";
}

/// src/kernels/avx2/x.cc → kernels/avx2; nothing for what is compiled for any processor.
std::string isa_folder_of(const std::string& path) {
  static const std::regex folder(R"(^src/(kernels/(\w+))/)");
  std::smatch match;
  return std::regex_search(path, match, folder) && match[2] != "reference" ? match[1].str() : "";
}

/// Whether files of one instruction set may include headers of the other: those of the set that it
/// extends, whose helpers have internal linkage and are compiled with the includer's flags.
bool may_include(const std::string& isa, const std::string& other) {
  static const std::map<std::string, std::string> extended = {
      {"kernels/avxvnni", "kernels/avx2"}, {"kernels/avx512bf16", "kernels/avx512"}};
  const auto it = extended.find(isa);
  return isa == other || (it != extended.end() && it->second == other);
}

/// Intrinsics and C headers without an inline function that a linker could share.
bool is_plain_system_header(const std::string& name) {
  static const std::set<std::string> plain = {
      "cstddef",  "cstdint",    "cstring",   "cfloat",      "climits",
      "float.h",  "limits.h",   "math.h",    "stddef.h",    "stdint.h",
      "string.h", "arm_neon.h", "arm_sve.h", "immintrin.h", "x86intrin.h"};
  return plain.contains(name);
}

std::string join(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// The headers that a file reaches by quoted includes, itself not included.
void reach(const std::string& path, const std::map<std::string, const SourceFile*>& sources,
           std::set<std::string>& seen) {
  const auto it = sources.find(path);
  if (it == sources.end()) return;
  const Scrubbed scrubbed = scrub(it->second->text, Language::kCpp);
  for (const Include& include : find_includes(it->second->text, scrubbed.code)) {
    const std::string target = "src/" + include.target;
    if (include.is_quoted && seen.insert(target).second) reach(target, sources, seen);
  }
}

/// Library headers that an instruction-set file gets through the header.
std::vector<Finding> check_plain_header(const SourceFile& header, const std::string& user) {
  std::vector<Finding> findings;
  const std::string code = scrub(header.text, Language::kCpp).code;
  for (const Include& include : find_includes(header.text, code)) {
    if (include.is_quoted || is_plain_system_header(include.target)) continue;
    findings.push_back({header.path, include.line, "isa-include",
                        "<" + include.target + "> in a header that " + user +
                            " reaches; keep to plain structs there",
                        "", 0});
  }
  return findings;
}

/// Calls of functions that the header defines. A call that is not inlined becomes a copy built
/// with the file's instruction-set flags, and the linker may keep that one for the whole program.
std::vector<Finding> check_calls(const SourceFile& file, const SourceFile& header) {
  std::vector<Finding> findings;
  const std::string code = scrub(file.text, Language::kCpp).code;
  const std::string header_code = scrub(header.text, Language::kCpp).code;
  for (const Function& function : find_functions(header_code, Language::kCpp)) {
    std::smatch match;
    if (!std::regex_match(function.name, std::regex(R"(\w+)")) ||
        !std::regex_search(code, match, std::regex("\\b" + function.name + R"(\s*\()"))) {
      continue;
    }
    const auto line = 1 + std::count(code.begin(), code.begin() + match.position(), '\n');
    findings.push_back({file.path, static_cast<int>(line), "isa-include",
                        "calls '" + function.name + "', inline in " + header.path +
                            "; write it in this folder (docs/HACKING.md, the inline trap)",
                        "", 0});
  }
  return findings;
}

}  // namespace

std::vector<Include> find_includes(const std::string& text, const std::string& code) {
  static const std::regex directive(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> includes;
  std::istringstream lines(text);
  std::istringstream code_lines(code);
  std::string line;
  std::string code_line;
  for (int number = 1; std::getline(lines, line) && std::getline(code_lines, code_line); ++number) {
    std::smatch match;
    if (code_line.find('#') != std::string::npos && std::regex_search(line, match, directive)) {
      includes.push_back({number, match[2].str(), match[1] == "\""});
    }
  }
  return includes;
}

std::vector<Finding> check_includes(const std::string& path, const std::string& text,
                                    const std::string& code) {
  std::vector<Finding> findings;
  const std::string module = module_of(path);
  if (module.empty()) return findings;
  const auto add = [&](const Include& include, std::string rule, std::string message) {
    findings.push_back({path, include.line, std::move(rule), std::move(message), "", 0});
  };
  if (!include_table().contains(module)) {
    add({1, "", false}, "include-table",
        "the module '" + module +
            "' is not in the include table; add it to tools/tidy/includes.cc");
    return findings;
  }
  const std::set<std::string> allowed = reachable(module);
  const std::string isa = isa_folder_of(path);
  for (const Include& include : find_includes(text, code)) {
    if (!include.is_quoted) {
      if (!isa.empty() && !is_plain_system_header(include.target)) {
        add(include, "isa-include",
            "<" + include.target + "> in an instruction-set file; only intrinsics and C headers");
      }
      if (include.target.starts_with("cuda") && !path.starts_with("src/backend/cuda/")) {
        add(include, "include-table",
            "a CUDA header outside src/backend/cuda; use backend/backend.h");
      }
      continue;
    }
    const size_t slash = include.target.find('/');
    const std::string target = slash == std::string::npos ? "" : include.target.substr(0, slash);
    if (!include_table().contains(target)) {
      add(include, "include-table",
          "\"" + include.target + "\" does not start at src/; write \"module/file.h\"");
    } else if (!allowed.contains(target)) {
      add(include, "include-table",
          module + " may not include " + target + " (only " + join(allowed) +
              "); move what it needs down, or the user up");
    } else if (!isa.empty() && !may_include(isa, isa_folder_of("src/" + include.target)) &&
               (!isa_folder_of("src/" + include.target).empty() || target == "base" ||
                include.target.starts_with("kernels/reference/"))) {
      add(include, "isa-include",
          "\"" + include.target + "\" in a file of " + isa +
              "; only what lies in kernels/ itself, plain structs of tensor/, its own folder and "
              "that of a set which it extends");
    }
  }
  return findings;
}

std::vector<Finding> check_reach(const std::vector<SourceFile>& files) {
  std::map<std::string, const SourceFile*> sources;
  for (const SourceFile& file : files) sources[file.path] = &file;
  std::vector<Finding> findings;
  const auto append = [&findings](const std::vector<Finding>& more) {
    findings.insert(findings.end(), more.begin(), more.end());
  };
  std::set<std::string> seen;  // a header is at fault once, whoever reaches it
  for (const SourceFile& file : files) {
    const std::string isa = isa_folder_of(file.path);
    if (isa.empty()) continue;
    std::set<std::string> headers;
    reach(file.path, sources, headers);
    for (const std::string& header : headers) {
      const auto it = sources.find(header);
      if (it == sources.end() || may_include(isa, isa_folder_of(header))) continue;
      append(check_calls(file, *it->second));
      if (seen.insert(header).second) append(check_plain_header(*it->second, file.path));
    }
  }
  return findings;
}

}  // namespace hearth::tidy
