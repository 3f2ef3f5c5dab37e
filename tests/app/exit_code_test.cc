// Every exit code of the program is provoked, and written down where people look.
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/exit_codes.h"
#include "app/option_table.h"
#include "app/program.h"
#include "tests/app/hearth_program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::kModel;
using testing::Outcome;
using testing::run_hearth;
using testing::run_program;

/// The exit status of a shell line, in which "$0" is the program.
Outcome shell(const std::string& line) { return run_program("bash", {"-c", line, HEARTH_PROGRAM}); }

bool has_subcommand(const std::string& name) {
  Program program;
  const auto all = subcommands(program.app());
  return std::any_of(all.begin(), all.end(),
                     [&](const CLI::App* each) { return each->get_name() == name; });
}

int code_of_success() { return run_hearth({"version"}).exit_code; }
int code_of_failure() { return shell("\"$0\" version >/dev/full").exit_code; }
int code_of_usage() { return run_hearth({"generate", "--no-such-flag"}).exit_code; }
int code_of_invalid_model() { return run_hearth({"show", "/nowhere/at/all"}).exit_code; }

int code_of_too_little_memory() {
  const testing::TempFolder folder;
  const std::filesystem::path copy = folder.path() / "model";
  std::filesystem::copy(kModel, copy);
  auto config = nlohmann::json::parse(testing::read_file(copy / "config.json"));
  config["max_position_embeddings"] = 2'000'000'000;
  testing::write_file(copy / "config.json", config.dump());
  return run_hearth({"generate", "-m", copy.string(), "-p", "x", "-n", "1900000000"}).exit_code;
}

int code_of_interrupt() {
  // It waits for a prompt that does not come.
  return run_hearth({"generate", "-m", kModel, "-p", "-"},
                    "sleep 2 | timeout --preserve-status -s INT 0.5")
      .exit_code;
}

/// Each code with what provokes it. A code without a row fails the test below.
const std::map<ExitCode, std::function<int()>>& provocations() {
  static const std::map<ExitCode, std::function<int()>> rows = {
      {ExitCode::kOk, code_of_success},
      {ExitCode::kFailure, code_of_failure},
      {ExitCode::kUsage, code_of_usage},
      {ExitCode::kInvalidModel, code_of_invalid_model},
      {ExitCode::kOutOfMemory, code_of_too_little_memory},
      {ExitCode::kCancelled, code_of_interrupt},
  };
  return rows;
}

TEST(ExitCodes, EachIsProvoked) {
  for (const ExitCodeRow& row : exit_codes()) {
    // Downloads have both: tests/hub provokes them, and hearth has no other way to end so.
    if (row.code == ExitCode::kNetwork || row.code == ExitCode::kInterrupted) continue;
    const auto found = provocations().find(row.code);
    ASSERT_NE(found, provocations().end()) << "nothing provokes " << row.meaning;
    EXPECT_EQ(found->second(), static_cast<int>(row.code)) << row.meaning;
  }
}

TEST(ExitCodes, ANetworkThatIsNotThereIs5) {
  if (!has_subcommand("pull")) GTEST_SKIP() << "no subcommand uses the network yet";
  const testing::TempFolder folder;
  const Outcome outcome =
      run_hearth({"pull", "somebody/something"},
                 "HF_HOME='" + folder.path().string() + "' HF_ENDPOINT=http://127.0.0.1:1");
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
}

TEST(ExitCodes, AreInTheReadmeAndInHelp) {
  std::ifstream file("README.md");
  const std::string readme{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::string help = run_hearth({"--help"}, "COLUMNS=100").out;
  std::replace(help.begin(), help.end(), '\n', ' ');
  for (const ExitCodeRow& row : exit_codes()) {
    const std::string code = std::to_string(static_cast<int>(row.code));
    EXPECT_NE(readme.find("| " + code + " |"), std::string::npos) << code;
    EXPECT_NE(help.find(" " + code + " " + row.meaning), std::string::npos) << code << help;
  }
}

TEST(Manners, AClosedPipeEndsQuietly) {
  const Outcome outcome =
      shell("(sleep 0.3; exec \"$0\" completion bash) | true; echo ${PIPESTATUS[0]}");
  EXPECT_EQ(outcome.out, "141\n");  // ended by SIGPIPE, as other programs are
  EXPECT_EQ(outcome.err, "");
  const Outcome ignored =
      shell("trap '' PIPE; (sleep 0.3; exec \"$0\" completion bash) | true; echo ${PIPESTATUS[0]}");
  EXPECT_EQ(ignored.out, "141\n");
}

TEST(Manners, AFullDiskIsAFailure) {
  const Outcome outcome = shell("\"$0\" synth x --dry-run >/dev/full");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("standard output"), std::string::npos) << outcome.err;
}

TEST(Manners, HelpFitsTheTerminalAndGoesToStandardOutput) {
  for (const int width : {60, 80, 100}) {
    const Outcome outcome = run_hearth({"generate", "--help"}, "COLUMNS=" + std::to_string(width));
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "");
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), static_cast<size_t>(width)) << line;
    }
  }
}

TEST(Manners, WithoutASubcommandHelpIsAnError) {
  const Outcome outcome = run_hearth({}, "true |");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("Usage: hearth"), std::string::npos) << outcome.err;
}

TEST(Manners, VersionSaysWhatWasBuilt) {
  EXPECT_TRUE(run_hearth({"--version"}).out.starts_with("hearth "));
  const auto report = nlohmann::json::parse(run_hearth({"version", "--json"}).out);
  EXPECT_EQ("hearth " + report["version"].get<std::string>() + "\n", run_hearth({"--version"}).out);
  EXPECT_EQ(report["kernel_sets"][0], "reference");
  EXPECT_FALSE(report["compiler"].get<std::string>().empty());
  EXPECT_FALSE(report["build_type"].get<std::string>().empty());
}

}  // namespace
}  // namespace hearth
