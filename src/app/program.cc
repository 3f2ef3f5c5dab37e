#include "app/program.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/globals.h"
#include "app/help.h"
#include "app/option_table.h"
#include "app/usage.h"
#include "app/version.h"
#include "base/error.h"
#include "console/style.h"

namespace hearth {
namespace {

/// What has to be there before options and subcommands join, because they inherit it.
CLI::App& prepared(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", "hearth " + version());
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  return app;
}

bool has_default_command(const CLI::App& app) {
  const std::vector<const CLI::App*> below = subcommands(app);
  return std::any_of(below.begin(), below.end(),
                     [](const CLI::App* each) { return each->get_name() == kDefaultCommand; });
}

}  // namespace

Program::Program()
    : app_("Local inference for the Qwen3-Next family, from the checkpoints as they are", "hearth"),
      settings_(prepared(app_)) {
  add_global_options(app_);
  add_commands(app_, settings_);
  app_.footer(exit_codes_text());  // at last: subcommands would inherit it
}

void Program::parse(const std::vector<std::string>& arguments) {
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app_.parse(std::move(reversed));
  } catch (const CLI::Success& success) {
    app_.exit(success);  // prints help or version
    throw;
  } catch (const CLI::ParseError& error) {
    throw UsageError(usage_message(app_, error));
  }
}

void Program::run(std::vector<std::string> arguments) {
  try {
    parse(arguments);
    if (!app_.get_subcommands().empty()) return;
    if (!has_default_command(app_) || !is_terminal(STDIN_FILENO)) {
      std::fputs(app_.help().c_str(), stderr);
      throw UsageError("a subcommand is missing.");
    }
    arguments.push_back(kDefaultCommand);
    parse(arguments);
  } catch (const CLI::Success&) {
  }
}

}  // namespace hearth
