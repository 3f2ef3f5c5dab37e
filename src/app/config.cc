// hearth config: which settings hold, and where they come from.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/globals.h"
#include "app/option_table.h"
#include "app/program.h"
#include "app/settings.h"
#include "base/error.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

struct ShowOptions {
  bool origin = false;
  bool json = false;
};

struct Setting {
  std::string key;
  Json value;  // null: not given, and without a default
  std::string origin;
};

Json typed(const OptionRow& row, const std::string& text) {
  if (row.is_switch()) return text != "false";
  const bool number = row.type == "INT" || row.type == "UINT" || row.type == "FLOAT";
  const Json parsed = number ? Json::parse(text, nullptr, false) : Json(text);
  return parsed.is_discarded() ? Json(text) : parsed;
}

Json typed(const OptionRow& row, const std::vector<std::string>& values) {
  if (!row.list && !row.repeats) return typed(row, values.back());
  Json list = Json::array();
  for (const std::string& value : values) list.push_back(typed(row, value));
  return list;
}

/// The value as its option sees it: a switch says "true" however that was written.
std::vector<std::string> values_of(const OptionRow& row) {
  if (row.is_switch()) return {row.option->as<bool>() ? "true" : "false"};
  if (row.list || row.repeats) return row.option->results();
  return {row.option->results().back()};
}

Setting setting_of(const OptionRow& row, const Settings& settings) {
  if (row.option->count() > 0) {
    const std::string* origin = settings.origin(*row.option);
    return {row.key, typed(row, values_of(row)), origin == nullptr ? "flag" : *origin};
  }
  if (row.is_switch()) return {row.key, false, "default"};
  if (row.default_value.empty()) return {row.key, nullptr, "not set"};
  return {row.key, typed(row, std::vector{row.default_value}), "default"};
}

std::vector<Setting> settings_of(const CLI::App& command, const Settings& settings) {
  std::vector<Setting> all;
  for (const OptionRow& row : option_rows(command)) {
    if (can_be_set(*row.option)) all.push_back(setting_of(row, settings));
  }
  return all;
}

/// Ends a parse before anything runs.
struct ParsedOnly {};

/// Nothing is required any more. Callbacks stay: they own what the options are bound to.
void require_nothing(CLI::App& command) {
  command.require_subcommand(0, 1);
  for (CLI::Option* option : command.get_options(nullptr)) option->required(false);
  for (CLI::App* each : command.get_subcommands([](CLI::App*) { return true; }))
    require_nothing(*each);
}

/// The flags of this run that belong to the program, to be given to another one.
std::vector<std::string> global_flags(const CLI::App& program, const Settings& settings) {
  std::vector<std::string> flags;
  for (const OptionRow& row : option_rows(program)) {
    if (row.group != kGlobalGroup || row.option->count() == 0) continue;
    if (settings.origin(*row.option) != nullptr) continue;
    flags.push_back(fmt::format("--{}={}", row.key, row.option->results().back()));
  }
  return flags;
}

void print_settings(const std::string& table, const std::vector<Setting>& all, bool origin) {
  if (!table.empty()) fmt::print("\n[{}]\n", table);
  for (const Setting& setting : all) {
    // JSON's strings, numbers and arrays are TOML's, too.
    const std::string line =
        setting.value.is_null()
            ? fmt::format("# {} =", setting.key)
            : fmt::format("{} = {}", setting.key,
                          setting.value.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (origin) {
      fmt::print("{:<36} # {}\n", line, setting.origin);
    } else {
      fmt::print("{}\n", line);
    }
  }
}

Json settings_json(const std::vector<Setting>& all) {
  Json json = Json::object();
  for (const Setting& setting : all) {
    json[setting.key] = {{"value", setting.value}, {"origin", setting.origin}};
  }
  return json;
}

using Visit = std::function<void(const std::string& table, const std::vector<Setting>& settings)>;

/// Parses as `hearth WORDS` would, and visits the settings of the program and of the commands.
/// Whether the words name a command.
bool visit_settings(const std::vector<std::string>& flags, const std::vector<std::string>& words,
                    const Visit& visit, bool warns) {
  Program program;
  if (!warns) program.settings().skip_warnings();
  require_nothing(program.app());
  program.app().parse_complete_callback([] { throw ParsedOnly(); });
  std::vector<std::string> arguments = flags;
  arguments.insert(arguments.end(), words.begin(), words.end());
  try {
    program.parse(arguments);
  } catch (const ParsedOnly&) {
  }
  std::string table;
  for (const CLI::App* command : chosen_commands(program.app())) {
    if (command->get_parent() != nullptr) {
      table += (table.empty() ? "" : ".") + command->get_name();
    }
    const std::vector<Setting> all = settings_of(*command, program.settings());
    if (!all.empty()) visit(table, all);
  }
  return !table.empty();
}

void run_show(const ShowOptions& options, const std::vector<std::string>& flags,
              const std::vector<std::string>& words) {
  Json json = Json::object();
  const auto show = [&](const std::string& table, const std::vector<Setting>& all) {
    if (options.json) {
      json[table.empty() ? "hearth" : table] = settings_json(all);
    } else {
      print_settings(table, all, options.origin);
    }
  };
  if (!visit_settings(flags, words, show, true)) {
    const Program program;
    for (const CLI::App* command : subcommands(program.app())) {
      std::vector<std::string> one = words;
      one.push_back(command->get_name());
      const auto show_command = [&](const std::string& table, const std::vector<Setting>& all) {
        if (!table.empty()) show(table, all);
      };
      visit_settings(flags, one, show_command, false);
    }
  }
  if (options.json) fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

void add_config_command(CLI::App& app, const Settings& settings) {
  CLI::App* command = app.add_subcommand("config", "Show settings, and where they come from");
  command->require_subcommand(1);

  const auto options = std::make_shared<ShowOptions>();
  CLI::App* show = command->add_subcommand("show", "Print the value of every option");
  ignore_settings(*show);
  show->add_flag("--origin", options->origin,
                 "Also say where each is from: default, FILE:LINE, $VARIABLE or flag");
  show->add_flag("--json", options->json, "Print JSON");
  show->footer(
      "hearth config show COMMAND FLAGS… shows only what that command line would be given. The "
      "output is TOML, as in the configuration file.");
  show->allow_extras()->fallthrough(false);  // the rest is for the program that only parses
  show->callback([options, show, &app, &settings] {
    run_show(*options, global_flags(app, settings), show->remaining());
  });

  CLI::App* path = command->add_subcommand("path", "Print the path of the configuration file");
  ignore_settings(*path);
  path->callback([&settings] {
    const std::optional<std::filesystem::path> file = settings.file();
    if (!file) throw Error(ExitCode::kFailure, "no configuration file is used.");
    fmt::print("{}\n", file->string());
    if (!std::filesystem::exists(*file)) fmt::print(stderr, "hearth: it does not exist yet.\n");
  });
}

}  // namespace hearth
