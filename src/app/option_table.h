// The command line as a table. CLI11's tree of subcommands and options is the only place where
// they are written down; --help, man pages, completions, settings and messages read it from here.
//
// An option that takes a path has the type name FILE or DIR (`->type_name("DIR")`), and a choice is
// a `->check(CLI::IsMember(…))`: completions know files, folders and values from that.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace hearth {

struct OptionRow {
  const CLI::Option* option = nullptr;
  std::string key;                   ///< the long name without dashes; "" when there is none
  std::vector<std::string> flags{};  ///< "-m", "--model"; none: only positional
  std::string positional{};          ///< the name as an argument without a flag; may be empty
  std::string type{};                ///< DIR, FILE, INT, …; "" for a switch
  std::vector<std::string> choices{};
  std::string range{};  ///< "0 to 1024"
  std::string help{};
  std::string default_value{};  ///< as it would be typed; "" when there is none
  std::string group{};
  bool required = false;
  bool list = false;     ///< takes several values
  bool repeats = false;  ///< may be given several times, with one value each

  bool is_switch() const { return type.empty(); }
  /// What stands for the value: "DIR", "bf16|w8"; "" for a switch.
  std::string value_name() const;
  /// "-m, --model DIR" or "folder".
  std::string signature() const;
  /// The help, with default, range and whether it is required.
  std::string full_help() const;
};

/// The visible options of a command, in the order of their groups, --help first.
std::vector<OptionRow> option_rows(const CLI::App& command);

/// The options that a command understands: its own, and the global ones of its program.
std::vector<OptionRow> understood_rows(const CLI::App& command);

OptionRow option_row(const CLI::Option& option);

/// The visible subcommands, by name.
std::vector<const CLI::App*> subcommands(const CLI::App& command);

/// A command and everything below it, each before its subcommands.
std::vector<const CLI::App*> command_tree(const CLI::App& command);

/// "hearth config show".
std::string command_path(const CLI::App& command);

/// The commands of this run, from the program to the last subcommand that was given.
std::vector<CLI::App*> chosen_commands(CLI::App& program);

/// "expected one of a, b, found "c". Did you mean …?": what is wrong with the values that the
/// option was given, as its checks see it; `otherwise` when it is neither its choices nor its type.
std::string value_problem(const CLI::Option& option, const std::string& otherwise);

}  // namespace hearth
