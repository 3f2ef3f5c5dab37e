// The whole command line: every subcommand, the global options, and the values from elsewhere.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "app/settings.h"

namespace hearth {

/// Not movable: options refer to it.
class Program {
 public:
  Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  CLI::App& app() { return app_; }
  const CLI::App& app() const { return app_; }
  const Settings& settings() const { return settings_; }
  Settings& settings() { return settings_; }

  /// Parses and runs. Errors come out as exceptions: those of hearth, with UsageError for every
  /// command line that does not parse. Help and version are printed.
  void run(std::vector<std::string> arguments);

  /// The same without a default command: CLI::Success is thrown once help or version are printed.
  void parse(const std::vector<std::string>& arguments);

 private:
  CLI::App app_;
  Settings settings_;
};

/// What `hearth` without a subcommand runs on a terminal.
inline constexpr const char* kDefaultCommand = "chat";

}  // namespace hearth
