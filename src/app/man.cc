// hearth man: manual pages.
#include "app/man.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/globals.h"
#include "app/option_table.h"
#include "app/settings.h"
#include "app/spelling.h"
#include "app/version.h"
#include "base/error.h"

namespace hearth {
namespace {

/// The code point that starts at `at`, and its bytes. The text is our own, and valid UTF-8.
std::pair<uint32_t, size_t> code_point(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(text[i]) & 0xffu; };
  const uint32_t first = byte(at);
  const size_t bytes = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  uint32_t value = bytes == 1 ? first : first & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) value = value << 6 | (byte(at + i) & 0x3fu);
  return {value, bytes};
}

/// Text for roff: what it would take for commands or typography is escaped.
std::string roff(const std::string& text) {
  std::string result;
  size_t bytes = 1;
  for (size_t i = 0; i < text.size(); i += bytes) {
    uint32_t value = 0;
    std::tie(value, bytes) = code_point(text, i);
    const bool line_start = i == 0 || text[i - 1] == '\n';
    if (line_start && (text[i] == '.' || text[i] == '\'')) result += "\\&";
    if (bytes > 1) {
      result += fmt::format("\\[u{:04X}]", value);
    } else if (text[i] == '\\') {
      result += "\\e";
    } else if (text[i] == '-') {
      result += "\\-";
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// ".B" takes the line; quotes keep it one argument.
std::string item(const std::string& term, const std::string& text) {
  return fmt::format(".TP\n.B \"{}\"\n{}\n", roff(term), roff(text));
}

std::string synopsis(const CLI::App& command) {
  std::string text = fmt::format(".SH SYNOPSIS\n.B {}\n[options]", roff(command_path(command)));
  for (const OptionRow& row : option_rows(command)) {
    if (!row.flags.empty() && row.required) {
      text +=
          fmt::format(" \\fB{}\\fR \\fI{}\\fR", roff(row.flags.front()), roff(row.value_name()));
    }
    if (row.flags.empty()) {
      const std::string name = fmt::format("\\fI{}\\fR", roff(row.positional));
      text += row.required ? " " + name : " [" + name + "]";
    }
  }
  return text + (subcommands(command).empty() ? "\n" : " \\fICOMMAND\\fR ...\n");
}

std::string options(const CLI::App& command) {
  std::string text;
  std::string group;
  for (const OptionRow& row : understood_rows(command)) {
    const std::string heading = row.flags.empty() ? "Arguments" : row.group;
    if (heading != group) text += fmt::format(".SS {}\n", roff(group = heading));
    std::string help = row.full_help();
    if (!row.flags.empty() && can_be_set(*row.option)) {
      help += fmt::format(" Variable: {}.", variable_name(program_of(command), *row.option));
    }
    text += item(row.signature(), help);
  }
  return text.empty() ? "" : ".SH OPTIONS\n" + text;
}

std::string commands(const CLI::App& command) {
  std::string text;
  for (const CLI::App* each : subcommands(command)) {
    text += item(each->get_name(),
                 fmt::format("{}. See {}(1).", each->get_description(), man_name(*each)));
  }
  return text.empty() ? "" : ".SH COMMANDS\n" + text;
}

constexpr const char* kSettings =
    "A flag outranks a variable of the environment, that one the configuration file, and that one "
    "the default. Top-level keys of the file and variables like HEARTH_MODEL are for every "
    "subcommand that has the option; keys of a table like [generate] and variables like "
    "HEARTH_GENERATE_MODEL are for one.";

std::string surroundings() {
  std::string text = ".SH ENVIRONMENT\n" + roff(kSettings) + "\n";
  text += item("NO_COLOR, CLICOLOR_FORCE, TERM=dumb", "Decide what --color auto means.");
  text += ".SH FILES\n";
  text += item("$XDG_CONFIG_HOME/hearth/config.toml, ~/.config/hearth/config.toml",
               "The configuration file, in TOML: key = value, with the long names of options.");
  text += ".SH EXIT STATUS\n";
  for (const ExitCodeRow& row : exit_codes()) {
    text += item(std::to_string(static_cast<int>(row.code)), row.meaning);
  }
  return text;
}

std::string see_also(const CLI::App& command) {
  std::vector<std::string> pages;
  if (command.get_parent() != nullptr) pages.push_back(man_name(*command.get_parent()) + "(1)");
  for (const CLI::App* each : subcommands(command)) pages.push_back(man_name(*each) + "(1)");
  return pages.empty()
             ? ""
             : fmt::format(".SH SEE ALSO\n{}\n", roff(fmt::format("{}", fmt::join(pages, ", "))));
}

void write_page(const CLI::App& command, const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / (man_name(command) + ".1");
  std::ofstream file(path);
  file << man_page(command);
  if (!file.flush()) {
    throw UsageError(
        fmt::format("{}: cannot be written. --output wants a folder that exists.", path.string()));
  }
}

void run_man(const CLI::App& program, const std::vector<std::string>& words,
             const std::string& folder) {
  const std::vector<const CLI::App*> tree = command_tree(program);
  if (!folder.empty()) {
    for (const CLI::App* command : tree) write_page(*command, folder);
    return;
  }
  const std::string wanted =
      fmt::format("hearth{}{}", words.empty() ? "" : " ", fmt::join(words, " "));
  std::vector<std::string> paths;
  for (const CLI::App* command : tree) {
    if (command_path(*command) == wanted) {
      fmt::print("{}", man_page(*command));
      return;
    }
    paths.push_back(command_path(*command));
  }
  throw UsageError(
      fmt::format("there is no command \"{}\".{}", wanted, did_you_mean(wanted, paths)));
}

}  // namespace

std::string man_name(const CLI::App& command) {
  std::string name = command_path(command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string man_page(const CLI::App& command) {
  const std::string name = man_name(command);
  std::string text =
      fmt::format(".TH \"{}\" 1 \"\" \"hearth {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n",
                  roff(upper(name)), version(), roff(name), roff(command.get_description()));
  text += synopsis(command);
  const std::string footer = command.get_footer();
  const bool is_program = command.get_parent() == nullptr;
  if (!footer.empty() && !is_program) text += ".SH DESCRIPTION\n" + roff(footer) + "\n";
  text += commands(command) + options(command);
  if (is_program) text += surroundings();
  return text + see_also(command);
}

void add_man_command(CLI::App& app) {
  struct ManOptions {
    std::vector<std::string> command;
    std::string folder;
  };
  const auto options = std::make_shared<ManOptions>();
  CLI::App* command = app.add_subcommand("man", "Print a manual page; read it with | man -l -");
  ignore_settings(*command);
  command->add_option("command", options->command, "The command; none: hearth itself")
      ->expected(0, -1);
  command->add_option("--output", options->folder, "Write the pages of all commands there instead")
      ->type_name("DIR");
  command->callback(
      [options, command] { run_man(program_of(*command), options->command, options->folder); });
}

}  // namespace hearth
