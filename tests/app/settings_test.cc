// Where values of options come from, in which order, and what is refused; as a user sees it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/spelling.h"
#include "tests/app/hearth_program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using Json = nlohmann::json;
using testing::Outcome;
using testing::TempFolder;

/// A home of its own, so that no setting of whoever runs the tests is seen.
class SettingsTest : public ::testing::Test {
 protected:
  Outcome run(const std::vector<std::string>& arguments, const std::string& variables = "") {
    return testing::run_hearth(
        arguments, "env -u XDG_CONFIG_HOME HOME='" + home_.path().string() + "' " + variables);
  }

  void write(const std::string& text) {
    std::filesystem::create_directories(file().parent_path());
    std::ofstream(file()) << text;
  }

  std::filesystem::path file() const { return home_.path() / ".config/hearth/config.toml"; }

  /// What `hearth config show --json` says about an option of `hearth generate`.
  Json setting(const std::string& key, const std::string& variables = "",
               const std::vector<std::string>& flags = {}) {
    std::vector<std::string> arguments = {"config", "show", "--json", "generate"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Outcome outcome = run(arguments, variables);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const Json all = Json::parse(outcome.out, nullptr, false);
    return all.is_discarded() ? all : all["generate"][key];
  }

  /// The message of a run that is refused with exit code 2.
  std::string refused(const std::vector<std::string>& arguments,
                      const std::string& variables = "") {
    const Outcome outcome = run(arguments, variables);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.out;
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  }

  TempFolder home_;
};

Json from(const Json& value, const std::string& origin) {
  return {{"value", value}, {"origin", origin}};
}

#define EXPECT_HAS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "no \"" << (part) << "\" in: " << (text)

TEST_F(SettingsTest, FlagOutranksVariableOutranksFileOutranksDefault) {
  EXPECT_EQ(setting("chunk"), from(1024, "default"));
  EXPECT_EQ(setting("seed"), from(nullptr, "not set"));
  write("# a comment\nchunk = 64\n");
  EXPECT_EQ(setting("chunk"), from(64, file().string() + ":2"));
  EXPECT_EQ(setting("chunk", "HEARTH_CHUNK=32"), from(32, "$HEARTH_CHUNK"));
  EXPECT_EQ(setting("chunk", "HEARTH_CHUNK=32", {"--chunk", "16"}), from(16, "flag"));
  EXPECT_EQ(setting("chunk", "HEARTH_CHUNK="), from(64, file().string() + ":2"));
}

TEST_F(SettingsTest, WhatIsForOneSubcommandOutranksWhatIsForAll) {
  write("chunk = 64\ntop_p = 0.5\n\n[generate]\nchunk = 65\n\n[eval]\nchunk = 66\n");
  EXPECT_EQ(setting("chunk"), from(65, file().string() + ":5"));
  EXPECT_EQ(setting("top-p"), from(0.5, file().string() + ":2"));
  EXPECT_EQ(setting("chunk", "HEARTH_GENERATE_CHUNK=3 HEARTH_CHUNK=4"),
            from(3, "$HEARTH_GENERATE_CHUNK"));
  EXPECT_EQ(setting("chunk", "HEARTH_EVAL_CHUNK=3"), from(65, file().string() + ":5"));
}

TEST_F(SettingsTest, SwitchesListsAndTextKeepTheirTypes) {
  write("exact = true\nlock = false\nsystem = \"a \\\"b\\\"\"\n[bench]\nn-prompt = [16, 32]\n");
  EXPECT_EQ(setting("exact")["value"], true);
  EXPECT_EQ(setting("lock"), from(false, file().string() + ":2"));
  EXPECT_EQ(setting("system")["value"], "a \"b\"");
  EXPECT_EQ(setting("exact", "HEARTH_EXACT=no"), from(false, "$HEARTH_EXACT"));
  const Outcome bench = run({"config", "show", "--json"});
  const Json prompts = Json::parse(bench.out)["bench"]["n-prompt"];
  EXPECT_EQ(prompts["value"], Json::array({16, 32}));
  const Outcome given = run({"config", "show", "--json", "bench", "-p", "1,2,3"});
  EXPECT_EQ(Json::parse(given.out)["bench"]["n-prompt"], from({1, 2, 3}, "flag"));
}

TEST_F(SettingsTest, ReachTheCommandAndSatisfyWhatIsRequired) {
  write("model = \"tests/checkpoints/int4-mixed\"\nprompt = \"Hello\"\ntemp = 0\n");
  const Outcome by_settings = run({"generate"}, "HEARTH_TOKENS=4");
  EXPECT_EQ(by_settings.exit_code, 0) << by_settings.err;
  const Outcome by_flags = run(
      {"generate", "--no-config", "-m", testing::kModel, "-p", "Hello", "--temp", "0", "-n", "4"});
  EXPECT_EQ(by_settings.out, by_flags.out);
  EXPECT_NE(by_settings.out, "");
  EXPECT_HAS(refused({"eval", "--no-config"}), "--model DIR is required");
}

TEST_F(SettingsTest, QuietLeavesOnlyTheAnswerAndVerboseSaysWhereValuesAreFrom) {
  const std::vector<std::string> generate = {"generate", "-m", testing::kModel, "-p", "Hello",
                                             "-n",       "2"};
  EXPECT_EQ(run(generate, "HEARTH_QUIET=1").err, "");
  EXPECT_HAS(run(generate, "HEARTH_VERBOSE=1 HEARTH_TEMP=0").err,
             "hearth: temp = 0 ($HEARTH_TEMP)\n");
}

TEST_F(SettingsTest, WhatConfigShowPrintsIsAConfigurationFile) {
  write("kv = \"int8\"\nsystem = \"back\\\\slash\"\n[bench]\nn-gen = [1, 2]\n");
  const Outcome before = run({"config", "show", "--origin"});
  EXPECT_EQ(before.exit_code, 0) << before.err;
  EXPECT_HAS(before.out, "# not set");
  const Outcome values = run({"config", "show"});
  write(values.out);
  const Outcome after = run({"config", "show"});
  EXPECT_EQ(after.exit_code, 0) << after.err;
  EXPECT_EQ(after.out, values.out);
  EXPECT_HAS(after.out, "n-gen = [1,2]\n");
}

TEST_F(SettingsTest, TheFileIsFoundWhereTheConventionsSay) {
  const TempFolder other;
  const std::string xdg = other.path().string();
  const auto path = [&](const std::string& variables, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"config", "path"});
    return run(flags, variables).out;
  };
  EXPECT_EQ(path(""), file().string() + "\n");
  EXPECT_EQ(path("XDG_CONFIG_HOME='" + xdg + "'"), xdg + "/hearth/config.toml\n");
  EXPECT_EQ(path("XDG_CONFIG_HOME=relative"), file().string() + "\n");
  EXPECT_EQ(path("HEARTH_CONFIG=/a/b.toml"), "/a/b.toml\n");
  EXPECT_EQ(path("HEARTH_CONFIG=/a/b.toml", {"--config", "/c"}), "/c\n");
  EXPECT_EQ(run({"config", "path", "--no-config"}).exit_code, 1);
  EXPECT_HAS(refused({"generate", "--config", "/nowhere.toml"}), "/nowhere.toml: cannot be read");
  EXPECT_HAS(refused({"generate"}, "HEARTH_CONFIG=/nowhere.toml"), "/nowhere.toml: cannot be read");
  EXPECT_HAS(refused({"generate", "--config", "/"}), "/: cannot be read");
}

TEST_F(SettingsTest, WrongFilesAreRefusedWithFileLineAndWhatIsMeant) {
  const auto message = [&](const std::string& text) {
    write(text);
    return refused({"generate", "-m", "x", "-p", "x"});
  };
  const std::string place = file().string() + ":";
  EXPECT_HAS(message("\ntmep = 1\n"), place + "2: tmep: not an option of any subcommand");
  EXPECT_HAS(message("tmep = 1\n"), "Did you mean temp?");
  EXPECT_HAS(message("[generate]\nn-prompt = 1\n"),
             place + "2: n-prompt: not an option of hearth generate. It belongs to [bench].");
  EXPECT_HAS(message("[generate]\ntmep = 1\n"),
             place + "2: tmep: not an option of hearth generate. Did you mean temp?");
  EXPECT_HAS(message("[generate]\nquiet = true\n"), "It belongs to the top of the file");
  EXPECT_HAS(message("\n\n[generat]\n"), place + "3: [generat]: hearth has no subcommand");
  EXPECT_HAS(message("[generat]\n"), "Did you mean generate?");
  EXPECT_HAS(message("help = true\n"), place + "1: help: not an option");
  EXPECT_HAS(message("temp = = 1\n"), place + "1: ");
  EXPECT_HAS(message("kv = \"int9\"\n"), place + "1: kv: expected bf16 or int8, found \"int9\"");
  EXPECT_HAS(message("kv = \"int9\"\n"), "Did you mean int8?");
  EXPECT_HAS(message("chunk = 0\n"), place + "1: chunk: expected a whole number from 1 to 4096");
  EXPECT_HAS(message("temp = \"hot\"\n"), place + "1: --temp is \"hot\": expected a number");
  EXPECT_HAS(message("exact = \"yes\"\n"), place + "1: exact: expected true or false");
  EXPECT_HAS(message("chunk = [1, 2]\n"), place + "1: chunk: expected one value");
  EXPECT_HAS(message("chunk = []\n"), place + "1: chunk: expected one value");
  EXPECT_HAS(message("chunk = 1979-05-27\n"), place + "1: chunk: expected a string, a number");
  EXPECT_HAS(message("chunk = 1\nchunk = 2\n"), place + "2: ");
}

TEST_F(SettingsTest, WrongVariablesAreRefusedByName) {
  const auto message = [&](const std::string& variable) {
    return refused({"generate", "-m", "x", "-p", "x"}, variable);
  };
  EXPECT_HAS(message("HEARTH_KV=int9"), "$HEARTH_KV: kv: expected bf16 or int8, found \"int9\"");
  EXPECT_HAS(message("HEARTH_GENERATE_CHUNK=many"), "$HEARTH_GENERATE_CHUNK: chunk: expected");
  EXPECT_HAS(message("HEARTH_EXACT=perhaps"), "$HEARTH_EXACT: exact: expected true or false");
}

TEST_F(SettingsTest, VariablesThatAreNearlySettingsAreWarnedOf) {
  const auto warnings = [&](const std::string& variables, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"config", "show"});
    const Outcome outcome = run(flags, variables);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.err;
  };
  EXPECT_EQ(warnings("HEARTH_TMEP=1"),
            "hearth: warning: $HEARTH_TMEP is no setting. Did you mean $HEARTH_TEMP?\n");
  EXPECT_HAS(warnings("HEARTH_GENERATE_TOPK=1", {"generate"}), "$HEARTH_GENERATE_TOP_K?");
  EXPECT_EQ(warnings("HEARTH_TMEP=1", {"--quiet"}), "");
  EXPECT_EQ(warnings("HEARTH_BENCH_N_GEN=1 HEARTH_CONFIG= HEARTH_QQQQQQQQ=1 HEARTHTEMP=1"), "");
}

TEST_F(SettingsTest, WhatMayBeGivenSeveralTimesMayBeAList) {
  write("stop = [\"one\", \"two\"]\n");
  EXPECT_EQ(setting("stop"), from({"one", "two"}, file().string() + ":1"));
  EXPECT_EQ(setting("stop", "", {"--stop", "three"}), from({"three"}, "flag"));
  write("stop = \"one\"\n");
  EXPECT_EQ(setting("stop")["value"], Json::array({"one"}));
}

TEST_F(SettingsTest, TheNumberOfTokensIsNotTakenForAFileOfThem) {
  write("tokens = 3\n");
  const Outcome show = run({"config", "show", "--json", "eval"});
  EXPECT_EQ(show.exit_code, 0) << show.err;
  EXPECT_FALSE(Json::parse(show.out)["eval"].contains("tokens"));
  EXPECT_EQ(Json::parse(show.out)["eval"]["ids"], from(nullptr, "not set"));
}

TEST_F(SettingsTest, ABrokenFileHidesNeitherHelpNorWhereItIs) {
  write("this is no TOML");
  EXPECT_EQ(run({"generate", "--help"}).exit_code, 0);
  EXPECT_EQ(run({"--version"}).exit_code, 0);
  EXPECT_EQ(run({"version"}).exit_code, 0);
  EXPECT_EQ(run({"config", "path"}).out, file().string() + "\n");
  EXPECT_EQ(run({"completion", "bash"}).exit_code, 0);
  EXPECT_EQ(run({"generate", "--no-config", "--help"}).exit_code, 0);
}

TEST_F(SettingsTest, MisspeltCommandLinesSayWhatIsMeant) {
  EXPECT_HAS(refused({"generate", "--tmep", "0.3"}), "no option --tmep. Did you mean --temp?");
  EXPECT_HAS(refused({"generate", "--temperture=1"}), "Did you mean --temperature?");
  EXPECT_HAS(refused({"generate", "--colour", "never"}), "Did you mean --color?");
  EXPECT_HAS(refused({"genrate"}), "no subcommand \"genrate\". Did you mean generate?");
  EXPECT_HAS(refused({"config", "shwo"}), "Did you mean show?");
  EXPECT_HAS(refused({"generate", "--zzzzzz"}), "no option --zzzzzz. \"hearth generate --help\"");
  EXPECT_HAS(refused({"show"}), "folder is missing");
  EXPECT_HAS(refused({"show", "a", "b"}), "\"b\" is one argument too many");
  EXPECT_HAS(refused({"eval"}), "HEARTH_MODEL");
  EXPECT_HAS(refused({"generate", "-m", "x", "-p", "x", "-n"}), "-n, --tokens INT: the value is");
  EXPECT_HAS(refused({}), "a subcommand is missing");
}

TEST(Spelling, CountsSwapsAsOneErrorAndGivesUpInTime) {
  const std::vector<std::string> names = {"generate", "eval", "show"};
  EXPECT_EQ(nearest("genreate", names), "generate");
  EXPECT_EQ(nearest("evla", names), "eval");
  EXPECT_EQ(nearest("gene", names), "generate");
  EXPECT_EQ(nearest("quantise", names), "");
  EXPECT_EQ(nearest("", names), "");
}

}  // namespace
}  // namespace hearth
