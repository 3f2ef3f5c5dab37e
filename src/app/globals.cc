#include "app/globals.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>
#include <string_view>

namespace hearth {
namespace {

bool is_set(const CLI::App& program, const char* flag) {
  const CLI::Option* option = program.get_option_no_throw(flag);
  return option != nullptr && option->count() > 0 && option->as<bool>();
}

}  // namespace

void add_global_options(CLI::App& program) {
  program.add_flag("-q,--quiet")
      ->description("Say nothing but results, warnings and errors")
      ->group(kGlobalGroup);
  program.add_flag("-v,--verbose")
      ->description("Also say which settings hold, and where they come from")
      ->group(kGlobalGroup);
  program.add_option("--color", "Colours; auto: on a terminal, unless NO_COLOR is set")
      ->group(kGlobalGroup)
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->default_str("auto");
}

const CLI::App& program_of(const CLI::App& command) {
  const CLI::App* program = &command;
  while (program->get_parent() != nullptr) program = program->get_parent();
  return *program;
}

TerminalEnvironment terminal_environment() {
  const auto variable = [](const char* name) -> std::string_view {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  return {variable("TERM"), variable("NO_COLOR"), variable("CLICOLOR_FORCE")};
}

Globals globals_of(const CLI::App& command) {
  const CLI::App& program = program_of(command);
  Globals globals{.quiet = is_set(program, "--quiet"), .verbose = is_set(program, "--verbose")};
  const CLI::Option* color = program.get_option_no_throw("--color");
  const std::string choice = color == nullptr ? "auto" : color->as<std::string>();
  globals.color = parse_colour_choice(choice);
  return globals;
}

}  // namespace hearth
