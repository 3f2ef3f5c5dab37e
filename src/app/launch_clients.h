// How coding agents are wired to a server of hearth: by variables and arguments of one run, without
// a change to their own files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hearth {

/// A server that runs.
struct LaunchServer {
  std::string url;  // "http://127.0.0.1:8080"
  std::string model;
  std::string api_key;         // may be empty
  int64_t context_tokens = 0;  // 0: unknown
};

/// What a shell would run.
struct LaunchCommand {
  std::vector<std::pair<std::string, std::string>> variables = {};
  std::string program = {};
  std::vector<std::string> arguments = {};
};

struct LaunchClient {
  const char* name;     // on the command line of hearth
  const char* title;    // for people
  const char* install;  // a command
  LaunchCommand (*command)(const LaunchServer& server);
};

/// All of them, by name.
std::span<const LaunchClient> launch_clients();

/// The command for a POSIX shell, a variable or option a line.
std::string shell_text(const LaunchCommand& command);

}  // namespace hearth
