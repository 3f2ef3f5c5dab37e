#include "tools/tidy/functions.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <regex>
#include <sstream>
#include <string_view>

namespace hearth::tidy {
namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

/// Removes preprocessor directives with their continued lines: their braces need not match.
std::string without_directives(std::string code) {
  size_t line = 0;
  while (line < code.size()) {
    size_t end = std::min(code.find('\n', line), code.size());
    const size_t first = code.find_first_not_of(" \t", line);
    if (first < end && code[first] == '#') {
      while (end < code.size() && code[end - 1] == '\\') {
        end = std::min(code.find('\n', end + 1), code.size());
      }
      for (size_t i = line; i < end; ++i) {
        if (code[i] != '\n') code[i] = ' ';
      }
    }
    line = end + 1;
  }
  return code;
}

enum class Block { kScope, kFunction, kInitialiser };

/// What the brace after this header opens. The header is the text since the last ; { or }.
Block classify_cpp(const std::string& header) {
  static const std::regex scope(R"(\b(namespace|class|struct|union|enum|extern)\b)");
  static const std::regex assignment(R"((^|[^=!<>+\-*/%&|^r])=([^=]|$))");
  static const std::regex member_initialiser(R"(\)[^:]*[^:]:[^:].*[\w>]\s*$)");
  const bool has_parameters = header.find('(') != std::string::npos;
  if (std::regex_search(header, assignment) && header.find('[') == std::string::npos) {
    return Block::kInitialiser;
  }
  if (!has_parameters) {
    return std::regex_search(header, scope) ? Block::kScope : Block::kInitialiser;
  }
  std::string flat = header;
  std::replace(flat.begin(), flat.end(), '\n', ' ');
  if (std::regex_search(flat, member_initialiser)) return Block::kInitialiser;
  return Block::kFunction;
}

Block classify_rust(const std::string& header) {
  static const std::regex function(R"(\bfn\s+\w)");
  static const std::regex scope(R"(\b(mod|impl|trait|extern)\b)");
  if (std::regex_search(header, function)) return Block::kFunction;
  return std::regex_search(header, scope) ? Block::kScope : Block::kInitialiser;
}

/// The name before the parameters; a TEST(Suite, Case) keeps both.
std::string name_of(const std::string& header, Language language) {
  std::smatch match;
  static const std::regex rust(R"(\bfn\s+(\w+))");
  static const std::regex test(R"(\b(TEST\w*)\s*\(\s*(\w+)\s*,\s*(\w+)\s*\))");
  static const std::regex cpp(R"((operator\s*[^\s(]+|operator\(\)|[~\w:]+)\s*\()");
  if (language == Language::kRust) {
    return std::regex_search(header, match, rust) ? match[1].str() : "";
  }
  if (std::regex_search(header, match, test)) {
    return match.format("$2.$3");
  }
  return std::regex_search(header, match, cpp) ? match[1].str() : "";
}

size_t matching_brace(const std::string& code, size_t open) {
  int depth = 0;
  for (size_t i = open; i < code.size(); ++i) {
    if (code[i] == '{') ++depth;
    if (code[i] == '}' && --depth == 0) return i;
  }
  return code.size();
}

std::vector<Function> find_by_braces(const std::string& source, Language language) {
  const std::string code = language == Language::kCpp ? without_directives(source) : source;
  std::vector<Function> functions;
  size_t header_start = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    const std::string header = code[i] == '{' || code[i] == ':'
                                   ? code.substr(header_start, i - header_start)
                                   : std::string();
    static const std::regex access(R"(^\s*(public|private|protected)\s*$)");
    if (code[i] == ';' || code[i] == '}' || (code[i] == ':' && std::regex_match(header, access))) {
      header_start = i + 1;
    } else if (code[i] == '{') {
      const Block block =
          language == Language::kRust ? classify_rust(header) : classify_cpp(header);
      if (block == Block::kScope) {
        header_start = i + 1;
        continue;
      }
      const size_t close = matching_brace(code, i);
      if (block == Block::kFunction) {
        while (header_start < i && is_space(code[header_start])) ++header_start;
        const auto line_at = [&code](size_t at) {
          return 1 + static_cast<int>(
                         std::count(code.begin(), code.begin() + static_cast<long>(at), '\n'));
        };
        const int first = line_at(header_start);
        functions.push_back({name_of(header, language), first, line_at(close) - first + 1});
        header_start = close + 1;
      }
      i = close;
    }
  }
  return functions;
}

std::vector<Function> find_by_indentation(const std::string& code) {
  static const std::regex definition(R"(^(\s*)(?:async\s+)?def\s+(\w+).*)");
  std::vector<Function> functions;
  std::istringstream lines(code);
  std::string line;
  bool inside = false;
  size_t indent = 0;
  for (int number = 1; std::getline(lines, line); ++number) {
    const size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos) continue;
    if (inside && first > indent) {
      functions.back().line_count = number - functions.back().first_line + 1;
      continue;
    }
    // A signature may close on a line of its own: `) -> int:`.
    if (inside && line[first] == ')') continue;
    std::smatch match;
    inside = std::regex_match(line, match, definition);
    if (inside) {
      indent = first;
      functions.push_back({match[2].str(), number, 1});
    }
  }
  return functions;
}

}  // namespace

std::vector<Function> find_functions(const std::string& code, Language language) {
  if (language == Language::kCpp || language == Language::kRust) {
    return find_by_braces(code, language);
  }
  return language == Language::kPython ? find_by_indentation(code) : std::vector<Function>{};
}

}  // namespace hearth::tidy
