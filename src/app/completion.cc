// hearth completion: scripts for bash, zsh and fish.
//
// All three find the subcommand in the words before the cursor ("hearth config show": the path),
// and then offer its subcommands, flags, values, files or folders. In bash and fish a case
// statement knows the paths; zsh has a function for each path, with the specifications of
// _arguments.
#include "app/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "app/commands.h"
#include "app/globals.h"
#include "app/option_table.h"
#include "app/settings.h"

namespace hearth {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// For single quotes of bash and zsh.
std::string quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* each : commands) names.push_back(each->get_name());
  return names;
}

/// "_hearth_config_show".
std::string function_name(const CLI::App& command) {
  std::string name = "_" + replaced(command_path(command), " ", "_");
  return replaced(name, "-", "_");
}

/// The patterns of a case: "path flag" for each flag of the option.
std::string bash_patterns(const CLI::App& command, const OptionRow& row) {
  std::vector<std::string> patterns;
  for (const std::string& flag : row.flags) {
    patterns.push_back(quoted(command_path(command) + " " + flag));
  }
  return fmt::format("{}", fmt::join(patterns, "|"));
}

/// What bash offers for a value; ":" when there is nothing to offer.
std::string bash_values(const OptionRow& row) {
  if (!row.choices.empty()) return "_hearth_words " + quoted(joined(row.choices));
  if (row.type == "FILE") return "_hearth_paths -f";
  if (row.type == "DIR") return "_hearth_paths -d";
  return ":";
}

/// The lines of a case over the words that come instead of a value.
std::string bash_words(const CLI::App& command) {
  std::vector<std::string> flags;
  std::string others;
  for (const OptionRow& row : understood_rows(command)) {
    flags.insert(flags.end(), row.flags.begin(), row.flags.end());
    if (!row.positional.empty() && others.empty()) others = bash_values(row);
  }
  const std::vector<const CLI::App*> below = subcommands(command);
  if (!below.empty()) others = "_hearth_words " + quoted(joined(names_of(below)));
  if (others.empty()) others = ":";
  return fmt::format(
      "    {})\n      if [[ $current == -* ]]; then _hearth_words {}; else {}; fi ;;\n",
      quoted(command_path(command)), quoted(joined(flags)), others);
}

// What follows is the same for every command line.
constexpr const char* kBashHead = R"(# bash completion of hearth. Load it with
#   source <(hearth completion bash)
_hearth_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }

_hearth_paths() {
  local IFS=$'\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$current"))
}
)";

constexpr const char* kBashBody = R"(
_hearth() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local path=hearth i
  COMPREPLY=()
  # bash makes three words of --flag=value.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if _hearth_takes_value "$path ${COMP_WORDS[i-1]}"; then continue; fi
    if _hearth_is_command "$path ${COMP_WORDS[i]}"; then path="$path ${COMP_WORDS[i]}"; fi
  done
  if _hearth_takes_value "$path $previous"; then
    _hearth_value "$path $previous"
    return
  fi
  case "$path" in
)";

}  // namespace

std::string bash_completion(const CLI::App& program) {
  std::string values;
  std::string words;
  std::vector<std::string> valued;
  std::vector<std::string> paths;
  for (const CLI::App* command : command_tree(program)) {
    if (command != &program) paths.push_back(quoted(command_path(*command)));
    for (const OptionRow& row : understood_rows(*command)) {
      if (row.is_switch() || row.flags.empty()) continue;
      const std::string patterns = bash_patterns(*command, row);
      valued.push_back(patterns);
      values += fmt::format("    {}) {} ;;\n", patterns, bash_values(row));
    }
    words += bash_words(*command);
  }
  const auto test = [](const char* name, const std::vector<std::string>& patterns) {
    return fmt::format("\n{}() {{\n  case \"$1\" in\n    {}) return 0 ;;\n  esac\n  return 1\n}}\n",
                       name, fmt::join(patterns, "|\\\n    "));
  };
  return kBashHead + test("_hearth_is_command", paths) + test("_hearth_takes_value", valued) +
         "\n_hearth_value() {\n  case \"$1\" in\n" + values + "  esac\n}\n" + kBashBody + words +
         "  esac\n}\n\ncomplete -F _hearth hearth\n";
}

namespace {

/// Text inside the brackets and colons of a specification of _arguments.
std::string zsh_text(std::string text) {
  text = replaced(std::move(text), "\\", "\\\\");
  for (const char* special : {":", "[", "]"}) {
    text = replaced(std::move(text), special, std::string("\\") + special);
  }
  return text;
}

std::string zsh_values(const OptionRow& row) {
  if (!row.choices.empty()) return "(" + joined(row.choices) + ")";
  if (row.type == "FILE") return "_files";
  if (row.type == "DIR") return "_files -/";
  return " ";
}

/// The specifications of an option, one for each of its names: they exclude each other unless the
/// option can be repeated.
std::string zsh_specifications(const OptionRow& row) {
  std::string lines;
  const std::string value =
      row.is_switch() ? "" : fmt::format(":{}:{}", zsh_text(row.type), zsh_values(row));
  if (row.flags.empty()) {
    return fmt::format("    {} \\\n", quoted((row.list       ? "*:"
                                              : row.required ? ":"
                                                             : "::") +
                                             zsh_text(row.positional) + ":" + zsh_values(row)));
  }
  const std::string excluded = row.list || row.repeats ? "*" : "(" + joined(row.flags) + ")";
  for (const std::string& flag : row.flags) {
    const bool is_long = flag.starts_with("--");
    const std::string joint = row.is_switch() ? "" : is_long ? "=" : "+";
    lines += fmt::format("    {} \\\n", quoted(fmt::format("{}{}{}[{}]{}", excluded, flag, joint,
                                                           zsh_text(row.help), value)));
  }
  return lines;
}

std::string zsh_function(const CLI::App& command) {
  const std::vector<const CLI::App*> below = subcommands(command);
  std::string text = fmt::format("\n{}() {{\n", function_name(command));
  if (!below.empty()) text += "  local line state\n  local -a commands\n";
  text += fmt::format("  _arguments {}\\\n", below.empty() ? "" : "-C ");
  for (const OptionRow& row : understood_rows(command)) {
    if (below.empty() || !row.flags.empty()) text += zsh_specifications(row);
  }
  if (below.empty()) return text.substr(0, text.size() - 3) + "\n}\n";
  text += "    '1: :->command' '*:: :->rest'\n  case $state in\n    command)\n      commands=(\n";
  for (const CLI::App* each : below) {
    text += fmt::format("        {}\n",
                        quoted(each->get_name() + ":" + zsh_text(each->get_description())));
  }
  text += "      )\n      _describe command commands ;;\n    rest)\n      case $line[1] in\n";
  for (const CLI::App* each : below) {
    text += fmt::format("        {}) {} ;;\n", each->get_name(), function_name(*each));
  }
  return text + "      esac ;;\n  esac\n}\n";
}

}  // namespace

std::string zsh_completion(const CLI::App& program) {
  std::string text =
      "#compdef hearth\n"
      "# zsh completion of hearth. Save it as _hearth in a folder of $fpath, or load it with\n"
      "#   source <(hearth completion zsh)\n";
  for (const CLI::App* command : command_tree(program)) text += zsh_function(*command);
  return text +
         "\nif [[ $funcstack[1] == _hearth ]]; then _hearth \"$@\"; else compdef _hearth hearth; "
         "fi\n";
}

namespace {

std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::string fish_values(const OptionRow& row) {
  if (row.is_switch()) return "";
  if (!row.choices.empty()) return " -x -a " + fish_quoted(joined(row.choices));
  if (row.type == "FILE") return " -r -F";
  if (row.type == "DIR") return " -x -a '(__fish_complete_directories)'";
  return " -x";
}

std::string fish_rows(const CLI::App& command) {
  const std::string start =
      fmt::format("complete -c hearth -n '__hearth_at \"{}\"'", command_path(command));
  std::string text;
  for (const CLI::App* each : subcommands(command)) {
    text += fmt::format("{} -a {} -d {}\n", start, each->get_name(),
                        fish_quoted(each->get_description()));
  }
  for (const OptionRow& row : understood_rows(command)) {
    std::string line = start;
    for (const std::string& flag : row.flags) {
      line += flag.starts_with("--") ? " -l " + flag.substr(2) : " -s " + flag.substr(1);
    }
    if (!row.flags.empty()) line += fish_values(row);
    if (row.flags.empty() && row.type == "FILE") line += " -F";
    if (row.flags.empty() && row.type == "DIR") line += " -a '(__fish_complete_directories)'";
    if (row.flags.empty() && !row.choices.empty()) {
      line += " -a " + fish_quoted(joined(row.choices));
    }
    text += line + " -d " + fish_quoted(row.help) + "\n";
  }
  return text;
}

constexpr const char* kFishHead = R"(# fish completion of hearth. Load it with
#   hearth completion fish | source
function __hearth_at
    set -l path hearth
    for word in (commandline -opc)[2..-1]
        switch "$path $word"
            case {}
                set path "$path $word"
        end
    end
    test "$path" = "$argv[1]"
end

complete -c hearth -f
)";

}  // namespace

std::string fish_completion(const CLI::App& program) {
  std::vector<std::string> paths;
  std::string rows;
  for (const CLI::App* command : command_tree(program)) {
    if (command != &program) paths.push_back(fish_quoted(command_path(*command)));
    rows += fish_rows(*command);
  }
  return fmt::format(fmt::runtime(kFishHead), joined(paths)) + rows;
}

void add_completion_command(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print a script that completes hearth");
  ignore_settings(*command);
  command->add_option("shell", *shell, "The shell that will load it")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer("Load it with: source <(hearth completion bash)");
  command->callback([shell, command] {
    const CLI::App& program = program_of(*command);
    fmt::print("{}", *shell == "bash"  ? bash_completion(program)
                     : *shell == "zsh" ? zsh_completion(program)
                                       : fish_completion(program));
  });
}

}  // namespace hearth
