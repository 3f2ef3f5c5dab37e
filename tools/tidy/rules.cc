#include "tools/tidy/rules.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <regex>
#include <sstream>

#include "tools/tidy/functions.h"
#include "tools/tidy/includes.h"

namespace hearth::tidy {
namespace {

constexpr int kMaxColumns = 100;
constexpr int kMaxFileLines = 600;
constexpr int kMaxFunctionLines = 70;

std::optional<Language> language_of(const SourceFile& file) {
  const std::string& path = file.path;
  const std::string name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  const std::string extension = dot == std::string::npos ? "" : name.substr(dot);
  if (extension == ".cc" || extension == ".h" || extension == ".inc" || extension == ".cu") {
    return Language::kCpp;
  }
  if (extension == ".rs") return Language::kRust;
  if (extension == ".py") return Language::kPython;
  if (extension == ".md") return Language::kDocument;
  if (extension == ".sh" || extension == ".awk" || extension == ".cmake" ||
      name == "CMakeLists.txt") {
    return Language::kScript;
  }
  const std::string first_line = file.text.substr(0, file.text.find('\n'));
  if (!first_line.starts_with("#!")) return std::nullopt;
  return first_line.find("python") != std::string::npos ? Language::kPython : Language::kScript;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// A file on its way through the rules.
class Check {
 public:
  Check(const SourceFile& file, Language language)
      : file_(file), language_(language), scrubbed_(scrub(file.text, language)) {}

  std::vector<Finding> run() {
    check_whitespace();
    check_comments();
    if (language_ == Language::kDocument) return findings_;
    check_lengths();
    if (language_ == Language::kCpp) check_preprocessor();
    if (in("src/")) {
      check_environment();
      if (!in("src/model/families/")) check_tensor_names();
    }
    if (language_ == Language::kCpp) {
      for (const Finding& finding : check_includes(file_.path, file_.text, scrubbed_.code)) {
        findings_.push_back(finding);
      }
    }
    return findings_;
  }

 private:
  bool in(std::string_view folder) const { return file_.path.starts_with(folder); }

  void add(int line, std::string rule, std::string message) {
    findings_.push_back({file_.path, line, std::move(rule), std::move(message), "", 0});
  }

  void add_size(int line, std::string rule, std::string message, std::string function, int size) {
    findings_.push_back(
        {file_.path, line, std::move(rule), std::move(message), std::move(function), size});
  }

  /// Calls found(line, match) for each match of the pattern in the text.
  static void for_each_match(const std::string& text, const std::regex& pattern,
                             const std::function<void(int, const std::smatch&)>& found) {
    int number = 0;
    for (const std::string& line : lines_of(text)) {
      ++number;
      for (std::sregex_iterator it(line.begin(), line.end(), pattern), end; it != end; ++it) {
        found(number, *it);
      }
    }
  }

  void check_whitespace() {
    int number = 0;
    for (const std::string& line : lines_of(file_.text)) {
      ++number;
      if (line.find('\t') != std::string::npos) {
        add(number, "whitespace", "a tab; indent with two spaces");
      }
      if (!line.empty() && std::string_view(" \t\r").find(line.back()) != std::string_view::npos) {
        add(number, "whitespace", "space at the end of the line; remove it");
      }
      const auto columns =
          std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
      if (columns > kMaxColumns && language_ != Language::kDocument) {
        add(number, "line-length",
            std::to_string(columns) + " columns, the limit is 100; break the line");
      }
    }
    if (!file_.text.empty() && file_.text.back() != '\n') {
      add(number, "whitespace", "no line end after the last line; add one");
    }
  }

  void check_comments() {
    static const std::regex marker(R"(\b(TODO|FIXME|XXX|HACK)\b(\(\w[^)]*\))?)");
    for_each_match(scrubbed_.comments, marker, [this](int line, const std::smatch& match) {
      if (match[2].matched) return;
      add(line, "todo", match[1].str() + " without an owner; write TODO(name): what, or do it now");
    });
  }

  void check_lengths() {
    const int file_lines = static_cast<int>(lines_of(file_.text).size());
    if (file_lines > kMaxFileLines) {
      add_size(kMaxFileLines + 1, "file-length",
               std::to_string(file_lines) + " lines, the limit is 600; split it by what it does",
               "", file_lines);
    }
    for (const Function& function : find_functions(scrubbed_.code, language_)) {
      if (function.line_count <= kMaxFunctionLines) continue;
      add_size(function.first_line, "function-length",
               "'" + function.name + "' has " + std::to_string(function.line_count) +
                   " lines, the limit is 70; name a part of it and move it out",
               function.name, function.line_count);
    }
  }

  void check_preprocessor() {
    const bool is_header = file_.path.ends_with(".h");
    if (is_header && file_.text.find("\n#pragma once\n") == std::string::npos &&
        !file_.text.starts_with("#pragma once\n")) {
      add(1, "include-guard", "a header without #pragma once; add it below the opening comment");
    }
    if (in("src/os/") || in("src/kernels/")) return;
    static const std::regex conditional(R"(^\s*#\s*(if|ifdef|ifndef|elif|else)\b)");
    for_each_match(scrubbed_.code, conditional, [this](int line, const std::smatch& match) {
      add(line, "preprocessor",
          "#" + match[1].str() + " outside src/os and src/kernels; choose at run time or by CMake");
    });
  }

  void check_environment() {
    if (in("src/app/")) return;
    static const std::regex reader(R"(\b(secure_getenv|getenv|env::vars?(_os)?)\b)");
    for_each_match(scrubbed_.code, reader, [this](int line, const std::smatch& match) {
      add(line, "environment",
          match[1].str() + " outside src/app; read it there and pass the value down");
    });
  }

  void check_tensor_names() {
    static const std::regex name(
        R"(model\.layers|\bmlp\.|\bself_attn\b|\blinear_attn\b|\blm_head\b|\bembed_tokens\b)"
        R"(|_layernorm\b|\bshared_expert(_gate)?\b)"
        R"(|\b(in|out|gate|up|down|[qkvo])_proj\b|\bin_proj_\w+)");
    for_each_match(scrubbed_.strings, name, [this](int line, const std::smatch& match) {
      add(line, "tensor-name",
          "the checkpoint name '" + match[0].str() +
              "' outside src/model/families; take it from the family");
    });
  }

  const SourceFile& file_;
  Language language_;
  Scrubbed scrubbed_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check_file(const SourceFile& file) {
  const std::optional<Language> language = language_of(file);
  if (!language) return {};
  return Check(file, *language).run();
}

}  // namespace hearth::tidy
