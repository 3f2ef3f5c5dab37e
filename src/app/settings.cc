#include "app/settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "app/globals.h"
#include "app/option_table.h"
#include "app/spelling.h"
#include "base/error.h"

namespace hearth {
namespace {

constexpr std::string_view kPrefix = "HEARTH_";

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

/// Keys may be written with underscores, too.
std::string with_dashes(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

bool has_key(const CLI::Option& option, const std::string& key) {
  const std::vector<std::string>& names = option.get_lnames();
  return std::find(names.begin(), names.end(), with_dashes(key)) != names.end();
}

/// {"config", "show"} for `hearth config show`.
std::vector<std::string> table_path(const CLI::App& command) {
  if (command.get_parent() == nullptr) return {};
  std::vector<std::string> path = table_path(*command.get_parent());
  path.push_back(command.get_name());
  return path;
}

/// All keys of a command, or with `below` also those of its subcommands.
std::vector<std::string> keys_of(const CLI::App& command, bool below) {
  std::vector<std::string> keys;
  for (const CLI::App* each : command_tree(command)) {
    if (each != &command && !below) continue;
    for (const CLI::Option* option : each->get_options()) {
      if (!can_be_set(*option)) continue;
      keys.insert(keys.end(), option->get_lnames().begin(), option->get_lnames().end());
    }
  }
  return keys;
}

/// The command of a table; an error with the nearest name when there is none.
const CLI::App& command_of(const CLI::App& program, const SettingsEntry& entry) {
  const CLI::App* command = &program;
  for (const std::string& name : entry.tables) {
    std::vector<std::string> names;
    const CLI::App* next = nullptr;
    for (const CLI::App* each : subcommands(*command)) {
      names.push_back(each->get_name());
      if (each->get_name() == name) next = each;
    }
    if (next == nullptr) {
      throw UsageError(fmt::format("{}: [{}]: {} has no subcommand of this name.{}", entry.place,
                                   fmt::join(entry.tables, "."), command_path(*command),
                                   did_you_mean(name, names)));
    }
    command = next;
  }
  return *command;
}

/// What may be meant by a key that is not one of `keys`: the nearest of these, or else the same key
/// of other commands.
std::string hint(const CLI::App& program, const std::string& key,
                 const std::vector<std::string>& keys) {
  std::vector<std::string> owners;
  for (const CLI::App* command : command_tree(program)) {
    const std::vector<std::string> theirs = keys_of(*command, false);
    if (std::find(theirs.begin(), theirs.end(), key) == theirs.end()) continue;
    owners.push_back(command->get_parent() == nullptr
                         ? "the top of the file"
                         : "[" + fmt::format("{}", fmt::join(table_path(*command), ".")) + "]");
  }
  if (owners.empty()) return did_you_mean(key, keys);
  return fmt::format(" It belongs to {}.", fmt::join(owners, ", "));
}

/// Variables that mean something, without their prefix.
std::vector<std::string> known_variables(const CLI::App& program) {
  std::vector<std::string> known = {"CONFIG"};
  for (const CLI::App* command : command_tree(program)) {
    for (const CLI::Option* option : command->get_options()) {
      if (!can_be_set(*option)) continue;
      for (const CLI::App* owner : {command, &program}) {
        known.push_back(variable_name(*owner, *option).substr(kPrefix.size()));
      }
    }
  }
  return known;
}

/// The names of the environment's variables with the prefix, without it.
std::vector<std::string> prefixed_variables() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = std::string_view(*entry).substr(0, std::strcspn(*entry, "="));
    if (name.starts_with(kPrefix)) names.emplace_back(name.substr(kPrefix.size()));
  }
  return names;
}

bool help_is_wanted(const CLI::App& command) {
  const CLI::Option* version = command.get_option_no_throw("--version");
  return command.get_help_ptr()->count() > 0 || (version != nullptr && version->count() > 0);
}

}  // namespace

struct Settings::Value {
  std::vector<std::string> values;
  std::string origin;
  bool boolean = false;
};

/// CLI11 calls this between the arguments and the look for required options: the one moment at
/// which values can join. The file that it opens for that is none.
class SettingsHook : public CLI::Config {
 public:
  explicit SettingsHook(Settings& settings) : settings_(settings) {}

  std::vector<CLI::ConfigItem> from_config(std::istream&) const override {
    settings_.apply();
    return {};
  }
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return ""; }

 private:
  Settings& settings_;
};

bool can_be_set(const CLI::Option& option) {
  return option.get_configurable() && !option.get_lnames().empty() && !option.get_group().empty();
}

void ignore_settings(CLI::App& command) {
  command.allow_config_extras(CLI::config_extras_mode::ignore_all);
}

std::string variable_name(const CLI::App& command, const CLI::Option& option) {
  std::string name = "hearth";
  for (const std::string& part : table_path(command)) name += "_" + part;
  name += "_" + option.get_lnames().front();
  for (char& c : name) {
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

Settings::Settings(CLI::App& program) : program_(program) {
  program.set_config("--config-hook", "/dev/null", "")->group("");
  program.config_formatter(std::make_shared<SettingsHook>(*this));
  program
      .add_option("--config",
                  "Configuration file (default: hearth/config.toml in "
                  "$XDG_CONFIG_HOME or ~/.config)")
      ->group(kGlobalGroup)
      ->type_name("FILE")
      ->configurable(false);
  program.add_flag("--no-config")
      ->description("Read no configuration file")
      ->group(kGlobalGroup)
      ->configurable(false);
}

std::optional<std::filesystem::path> Settings::file() const {
  const CLI::Option& given = *program_.get_option("--config");
  if (program_.get_option("--no-config")->count() > 0) return std::nullopt;
  if (given.count() > 0) return given.results().back();
  if (const std::string named = variable("HEARTH_CONFIG"); !named.empty()) return named;
  const std::string base = variable("XDG_CONFIG_HOME");
  const std::string home = variable("HOME");
  if (base.empty() && home.empty()) return std::nullopt;
  // A relative base is invalid by the XDG specification.
  const bool use_base = !base.empty() && base.front() == '/';
  const std::filesystem::path folder =
      use_base ? std::filesystem::path(base) : std::filesystem::path(home) / ".config";
  return folder / "hearth" / "config.toml";
}

const std::string* Settings::origin(const CLI::Option& option) const {
  const auto found = origins_.find(&option);
  return found == origins_.end() ? nullptr : &found->second;
}

void Settings::apply() {
  origins_.clear();
  entries_.clear();
  const std::vector<CLI::App*> chosen = chosen_commands(program_);
  const auto wants_help = [](const CLI::App* command) { return help_is_wanted(*command); };
  if (std::any_of(chosen.begin(), chosen.end(), wants_help)) return;
  if (chosen.back()->get_allow_config_extras() == CLI::config_extras_mode::ignore_all) return;

  const std::optional<std::filesystem::path> path = file();
  const bool named =
      program_.get_option("--config")->count() > 0 || !variable("HEARTH_CONFIG").empty();
  if (path && (named || std::filesystem::exists(*path))) entries_ = read_settings_file(*path);
  check_entries();
  for (CLI::App* command : chosen) {
    for (CLI::Option* option : command->get_options(nullptr)) {
      if (can_be_set(*option) && option->count() == 0) set(*command, *option);
    }
  }
  report();
  warn_of_variables();
}

void Settings::warn_of_variables() {
  if (std::exchange(warned_, true) || globals_of(program_).quiet) return;
  const std::vector<std::string> names = prefixed_variables();
  if (names.empty()) return;
  const std::vector<std::string> known = known_variables(program_);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string meant = nearest(name, known);
    if (meant.empty()) continue;
    fmt::print(stderr, "hearth: warning: ${0}{1} is no setting. Did you mean ${0}{2}?\n", kPrefix,
               name, meant);
  }
}

void Settings::check_entries() const {
  for (const SettingsEntry& entry : entries_) {
    const CLI::App& command = command_of(program_, entry);
    if (entry.key.empty()) continue;
    const std::vector<std::string> keys = keys_of(command, entry.tables.empty());
    const std::string key = with_dashes(entry.key);
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::string owner = entry.tables.empty() ? "any subcommand" : command_path(command);
    throw UsageError(fmt::format("{}: {}: not an option of {}.{}", entry.place, entry.key, owner,
                                 hint(program_, key, keys)));
  }
}

std::optional<Settings::Value> Settings::from_environment(const CLI::App& command,
                                                          const CLI::Option& option) const {
  for (const CLI::App* owner : {&command, static_cast<const CLI::App*>(&program_)}) {
    const std::string name = variable_name(*owner, option);
    const std::string value = variable(name);
    if (!value.empty()) return Value{{value}, "$" + name, true};
  }
  return std::nullopt;
}

std::optional<Settings::Value> Settings::from_file(const CLI::App& command,
                                                   const CLI::Option& option) const {
  for (const std::vector<std::string>& tables : {table_path(command), {}}) {
    for (const SettingsEntry& entry : entries_) {
      if (entry.tables != tables || entry.key.empty() || !has_key(option, entry.key)) continue;
      return Value{entry.values, entry.place, entry.boolean};
    }
  }
  return std::nullopt;
}

void Settings::set(const CLI::App& command, CLI::Option& option) {
  std::optional<Value> value = from_environment(command, option);
  if (!value) value = from_file(command, option);
  if (!value) return;
  const std::string place = fmt::format("{}: {}", value->origin, option.get_lnames().front());
  const OptionRow row = option_row(option);
  const size_t count = value->values.size();
  const bool fits = row.is_switch() ? value->boolean && count == 1
                                    : count == 1 || ((row.list || row.repeats) && count > 1);
  if (!fits) {
    throw UsageError(
        fmt::format("{}: expected {}.", place, row.is_switch() ? "true or false" : "one value"));
  }
  try {
    for (const std::string& each : value->values) option.add_result(each);
    option.run_callback();
  } catch (const CLI::Error& error) {
    throw UsageError(fmt::format("{}: {}", place, value_problem(option, error.what())));
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", value->origin, error.what()));
  }
  origins_[&option] = value->origin;
}

void Settings::report() const {
  if (!globals_of(program_).verbose) return;
  for (const CLI::App* command : chosen_commands(program_)) {
    for (const CLI::Option* option : command->get_options()) {
      const std::string* from = origin(*option);
      if (from == nullptr) continue;
      fmt::print(stderr, "hearth: {} = {} ({})\n", option->get_lnames().front(),
                 fmt::join(option->results(), ","), *from);
    }
  }
}

}  // namespace hearth
