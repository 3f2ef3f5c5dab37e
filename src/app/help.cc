#include "app/help.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "app/globals.h"
#include "app/option_table.h"
#include "console/style.h"

namespace hearth {
namespace {

constexpr size_t kNameColumns = 30;

int terminal_columns() {
  const char* columns = std::getenv("COLUMNS");
  if (columns != nullptr && std::atoi(columns) > 0) return std::atoi(columns);
  return terminal_size(STDOUT_FILENO).columns;
}

/// Columns on a terminal: code points, which is enough for our own help.
size_t columns_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; }));
}

}  // namespace

std::string wrapped(const std::string& text, size_t width, size_t indent) {
  std::istringstream words(text);
  std::string result;
  std::string word;
  size_t column = indent;
  while (words >> word) {
    const size_t columns = columns_of(word);
    if (column > indent && column + 1 + columns > width) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) result += " ";
    column += columns + (column > indent ? 1 : 0);
    result += word;
  }
  return result;
}

HelpFormatter::HelpFormatter(int width)
    : width_(static_cast<size_t>(std::clamp(width > 0 ? width : terminal_columns(), 50, 110))) {}

std::string HelpFormatter::entry(const std::string& name, const std::string& text) const {
  std::string line = "  " + name;
  const size_t columns = columns_of(line);
  if (columns + 2 > kNameColumns) {
    line += "\n" + std::string(kNameColumns, ' ');
  } else {
    line += std::string(kNameColumns - columns, ' ');
  }
  return line + wrapped(text, width_, kNameColumns) + "\n";
}

std::string HelpFormatter::usage(const CLI::App& command) const {
  std::string line = "Usage: " + command_path(command);
  const std::vector<OptionRow> rows = option_rows(command);
  for (const OptionRow& row : rows) {
    if (row.flags.empty() || !row.required) continue;
    line += fmt::format(" {} {}", row.flags.front(), row.value_name());
  }
  line += " [options]";
  for (const OptionRow& row : rows) {
    if (!row.flags.empty()) continue;
    const std::string name = row.positional + (row.list ? "…" : "");
    line += row.required ? " " + name : " [" + name + "]";
  }
  if (!subcommands(command).empty()) line += " COMMAND …";
  return line + "\n";
}

std::string HelpFormatter::arguments(const CLI::App& command) const {
  std::string text;
  for (const OptionRow& row : option_rows(command)) {
    if (row.flags.empty()) text += entry(row.signature(), row.full_help());
  }
  return text.empty() ? "" : "\nArguments:\n" + text;
}

std::string HelpFormatter::options(const CLI::App& command) const {
  std::string text;
  std::string group;
  for (const OptionRow& row : understood_rows(command)) {
    if (row.flags.empty()) continue;
    if (row.group != group) text += fmt::format("\n{}:\n", group = row.group);
    text += entry(row.signature(), row.full_help());
  }
  return text;
}

std::string HelpFormatter::commands(const CLI::App& command) const {
  std::string text;
  for (const CLI::App* each : subcommands(command)) {
    text += entry(each->get_name(), each->get_description());
  }
  return text.empty() ? "" : "\nCommands:\n" + text;
}

std::string HelpFormatter::make_help(const CLI::App* command, std::string,
                                     CLI::AppFormatMode) const {
  std::string text = wrapped(command->get_description() + ".", width_, 0) + "\n\n";
  text += usage(*command) + commands(*command) + arguments(*command) + options(*command);
  const std::string footer = command->get_footer();
  return footer.empty() ? text : text + "\n" + wrapped(footer, width_, 0) + "\n";
}

}  // namespace hearth
