// Values of options that do not come from the command line. A flag outranks a variable of the
// environment, that one the configuration file, and that one the default of the option:
//
//   file      top-level keys are for every subcommand that has the option; [generate] for one
//   variable  HEARTH_TOP_K for every subcommand that has --top-k; HEARTH_GENERATE_TOP_K for one
//
// What is for one subcommand outranks what is for all, within the file and within the environment.
// All values pass through the checks of their option, and an unknown key of the file is an error.
// A variable that is nearly one of these is warned of; others may belong to somebody else.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/settings_file.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace hearth {

class Settings {
 public:
  /// Adds --config and --no-config to the program, and lets its options be set from elsewhere when
  /// it parses. The program must outlive the settings, and the settings every parse.
  explicit Settings(CLI::App& program);
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  /// The file of this run, whether it exists or not; none with --no-config. Of the command line,
  /// HEARTH_CONFIG, $XDG_CONFIG_HOME/hearth/config.toml and ~/.config/hearth/config.toml the first.
  std::optional<std::filesystem::path> file() const;

  /// Where the value of an option came from: "FILE:LINE" or "$VARIABLE"; null when it is not from
  /// here, but given on the command line or not given at all.
  const std::string* origin(const CLI::Option& option) const;

  /// No warnings of variables, for a program that only looks at what another one does.
  void skip_warnings() { warned_ = true; }

 private:
  friend class SettingsHook;
  struct Value;

  void apply();
  void set(const CLI::App& command, CLI::Option& option);
  std::optional<Value> from_environment(const CLI::App& command, const CLI::Option& option) const;
  std::optional<Value> from_file(const CLI::App& command, const CLI::Option& option) const;
  void check_entries() const;
  void report() const;
  void warn_of_variables();

  CLI::App& program_;
  std::vector<SettingsEntry> entries_{};
  std::map<const CLI::Option*, std::string> origins_{};
  bool warned_ = false;  // of variables; once is enough
};

/// Makes a command ignore all settings: it works with a broken file, too. For commands without
/// options that could be set.
void ignore_settings(CLI::App& command);

/// HEARTH_GENERATE_TOP_K, or with the program as the command HEARTH_TOP_K.
std::string variable_name(const CLI::App& command, const CLI::Option& option);

/// Whether it can be set by file or variable.
bool can_be_set(const CLI::Option& option);

}  // namespace hearth
