#include "app/usage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string_view>
#include <vector>

#include "app/option_table.h"
#include "app/settings.h"
#include "app/spelling.h"

namespace hearth {
namespace {

/// The option that a message of CLI11 is about: those messages contain its name.
const CLI::Option* option_of(const std::vector<CLI::App*>& chosen, const std::string& message) {
  const CLI::Option* found = nullptr;
  size_t longest = 0;
  for (const CLI::App* command : chosen) {
    for (const CLI::Option* option : command->get_options()) {
      const std::string name = option->get_name();
      if (name.size() > longest && message.find(name) != message.npos) {
        found = option;
        longest = name.size();
      }
    }
  }
  return found;
}

std::string missing(const CLI::App& command, const CLI::Option& option) {
  const OptionRow row = option_row(option);
  if (row.flags.empty()) {
    return fmt::format("{} is missing ({}).", row.positional, row.help);
  }
  std::string text = fmt::format("{} is required. Give it", row.signature());
  if (!can_be_set(option)) return text + ".";
  return fmt::format(
      "{}, set {}, or write {} = … into the configuration file (hearth config path).", text,
      variable_name(*command.get_parent(), option), row.key);
}

std::string unexpected(const CLI::App& command, std::string word) {
  const bool is_flag = word.size() > 1 && word.front() == '-';
  std::vector<std::string> known;
  if (is_flag) {
    word = word.substr(0, word.find('='));
    for (const OptionRow& row : understood_rows(command)) {
      known.insert(known.end(), row.flags.begin(), row.flags.end());
    }
    return fmt::format("there is no option {}.{}", word, did_you_mean(word, known));
  }
  const std::vector<const CLI::App*> below = subcommands(command);
  if (below.empty()) return fmt::format("\"{}\" is one argument too many.", word);
  for (const CLI::App* each : below) known.push_back(each->get_name());
  return fmt::format("there is no subcommand \"{}\".{}", word, did_you_mean(word, known));
}

std::string problem(CLI::App& program, const CLI::ParseError& error) {
  const std::vector<CLI::App*> chosen = chosen_commands(program);
  const CLI::App& command = *chosen.back();
  const std::string message = error.what();
  const auto kind = static_cast<CLI::ExitCodes>(error.get_exit_code());
  const CLI::Option* option = option_of(chosen, message);
  // What is misspelt is mentioned before what is missing: it may be the same.
  const bool no_subcommand = kind == CLI::ExitCodes::RequiredError && option == nullptr;
  for (const std::string& word : program.remaining(true)) {
    const bool is_flag = word.size() > 1 && word.front() == '-' && word != "--";
    if (is_flag || no_subcommand || kind == CLI::ExitCodes::ExtrasError) {
      return unexpected(command, word);
    }
  }
  if (no_subcommand) return fmt::format("a subcommand of {} is missing.", command_path(command));
  if (kind == CLI::ExitCodes::RequiredError) return missing(command, *option);
  if (option == nullptr) return message + ".";
  if (kind == CLI::ExitCodes::ConversionError || kind == CLI::ExitCodes::ValidationError) {
    const OptionRow row = option_row(*option);
    const std::string name = row.flags.empty() ? row.positional : row.flags.back();
    return fmt::format("{}: {}", name, value_problem(*option, message + "."));
  }
  if (kind == CLI::ExitCodes::ArgumentMismatch && option->count() == 0) {
    return fmt::format("{}: the value is missing.", option_row(*option).signature());
  }
  return message + ".";
}

}  // namespace

std::string usage_message(CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& command = *chosen_commands(program).back();
  return fmt::format("{} \"{} --help\" explains.", problem(program, error), command_path(command));
}

}  // namespace hearth
