// A Hub on the loopback for tests: fake_hub.py in a process of its own.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "hub/hub_settings.h"
#include "tests/support/temp_folder.h"

namespace hearth::testing {

/// Files of a repository by path.
using RepoFiles = std::map<std::string, std::string>;

/// A small model in two shards, which hearth finds complete.
RepoFiles small_model();

/// A child process with pipes to its input and from its output.
struct Child {
  pid_t pid = -1;
  int input = -1;
  int output = -1;
};

/// Starts a program; `environment` ("NAME=value") is added to that of the test. With `quiet` its
/// output goes nowhere and it has no input.
Child start_program(const std::vector<std::string>& command,
                    const std::vector<std::string>& environment, bool quiet);

class FakeHub {
 public:
  static constexpr const char* kRepo = "org/small";
  static constexpr const char* kCommit = "1111111111111111111111111111111111111111";

  /// Has small_model() as kRepo, at the commit kCommit, which is main.
  FakeHub();
  FakeHub(const FakeHub&) = delete;
  FakeHub& operator=(const FakeHub&) = delete;
  ~FakeHub();

  /// Whether there is a Python to run it.
  static bool can_run();

  void add(const std::string& repo, const std::string& commit, const RepoFiles& files);
  /// What fake_hub.py shall do, as it describes it; refs has kRepo's main unless given.
  void behave(nlohmann::json behaviour);
  /// The same, with nothing but rules.
  void rules(const std::vector<nlohmann::json>& rules) {
    nlohmann::json behaviour;
    behaviour["rules"] = rules;
    behave(behaviour);
  }
  void rule(const nlohmann::json& rule) { rules(std::vector<nlohmann::json>(1, rule)); }

  /// The requests since the last call, as fake_hub.py notes them.
  std::vector<nlohmann::json> requests();

  std::string endpoint() const { return "http://127.0.0.1:" + hub_port_; }
  std::string storage() const { return "http://127.0.0.1:" + storage_port_; }
  HubSettings settings(const std::filesystem::path& cache) const;

 private:
  TempFolder folder_;
  Child child_;
  std::string hub_port_;
  std::string storage_port_;
  size_t requests_read_ = 0;
};

}  // namespace hearth::testing
