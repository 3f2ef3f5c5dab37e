// Help, man pages and completions say what the option table has, for every flag of every command;
// and shells accept what they are given.
#include "app/completion.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <sstream>

#include "app/man.h"
#include "app/option_table.h"
#include "app/program.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::Outcome;
using testing::run_program;
using testing::TempFolder;

/// Whether the text has the word, and not only as a part of a longer one.
bool has_word(const std::string& text, const std::string& word) {
  const auto inside = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-';
  };
  for (size_t at = 0; (at = text.find(word, at)) != text.npos; ++at) {
    const size_t end = at + word.size();
    if ((at == 0 || !inside(text[at - 1])) && (end == text.size() || !inside(text[end]))) {
      return true;
    }
  }
  return false;
}

/// A part of a script: the lines that begin with `start`, or from such a line up to a line `end`.
std::string lines_with(const std::string& script, const std::string& part) {
  std::istringstream lines(script);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(part) != line.npos) found += line + "\n";
  }
  return found;
}

std::string zsh_function_of(const std::string& script, const CLI::App& command) {
  std::string name = man_name(command);
  std::replace(name.begin(), name.end(), '-', '_');
  const size_t begin = script.find("\n_" + name + "() {");
  return begin == script.npos ? "" : script.substr(begin, script.find("\n}\n", begin) - begin);
}

/// The lines of the last case of the bash script that belong to the command.
std::string bash_words_of(const std::string& script, const CLI::App& command) {
  const std::string start = "\n    '" + command_path(command) + "')\n      if";
  const size_t begin = script.find(start);
  return begin == script.npos ? "" : script.substr(begin, script.find(";;\n", begin) - begin);
}

TEST(OptionTable, EveryFlagIsInHelpManPageAndCompletions) {
  Program program;
  const std::string bash = bash_completion(program.app());
  const std::string zsh = zsh_completion(program.app());
  const std::string fish = fish_completion(program.app());
  int flags = 0;
  for (const CLI::App* command : command_tree(program.app())) {
    const std::string path = command_path(*command);
    const std::string help = command->help();
    std::string man = man_page(*command);
    std::erase(man, '\\');
    const std::string fish_lines = lines_with(fish, "'__hearth_at \"" + path + "\"'");
    const std::string zsh_lines = zsh_function_of(zsh, *command);
    const std::string bash_lines = bash_words_of(bash, *command);
    // All options, not rows of the table: what that one forgets is missed here, too.
    std::vector<const CLI::Option*> options = command->get_options();
    const auto* color = program.app().get_option("--color");
    if (command != &program.app()) options.push_back(color);
    for (const CLI::Option* option : options) {
      if (option->get_group().empty()) continue;
      std::vector<std::string> names;
      for (const std::string& name : option->get_snames()) names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      for (const std::string& name : names) {
        ++flags;
        EXPECT_TRUE(has_word(help, name)) << path << " " << name << "\n" << help;
        EXPECT_TRUE(has_word(man, name)) << path << " " << name;
        EXPECT_TRUE(has_word(bash_lines, name)) << path << " " << name << "\n" << bash_lines;
        EXPECT_TRUE(zsh_lines.find(")" + name) != zsh_lines.npos ||
                    zsh_lines.find("*" + name) != zsh_lines.npos)
            << path << " " << name << "\n"
            << zsh_lines;
        const bool is_long = name.starts_with("--");
        EXPECT_NE(fish_lines.find(is_long ? " -l " + name.substr(2) + " "
                                          : " -s " + name.substr(1) + " "),
                  std::string::npos)
            << path << " " << name << "\n"
            << fish_lines;
      }
      EXPECT_FALSE(option->get_description().empty()) << path << " " << option->get_name();
    }
  }
  EXPECT_GT(flags, 100);
}

TEST(OptionTable, EverySubcommandIsInHelpManPageAndCompletions) {
  Program program;
  int commands = 0;
  for (const CLI::App* command : command_tree(program.app())) {
    for (const CLI::App* below : command->get_subcommands(nullptr)) {
      ++commands;
      const std::string& name = below->get_name();
      EXPECT_TRUE(has_word(command->help(), name)) << name;
      EXPECT_NE(man_page(*command).find(".B \"" + name + "\""), std::string::npos) << name;
      EXPECT_TRUE(has_word(bash_words_of(bash_completion(program.app()), *command), name)) << name;
      EXPECT_NE(zsh_function_of(zsh_completion(program.app()), *command).find("'" + name + ":"),
                std::string::npos)
          << name;
      EXPECT_TRUE(has_word(lines_with(fish_completion(program.app()),
                                      "'__hearth_at \"" + command_path(*command) + "\"'"),
                           name))
          << name;
      EXPECT_FALSE(below->get_description().empty()) << name;
    }
  }
  EXPECT_GE(commands, 10);
}

/// What a real bash offers for the words; the last one is the one under the cursor.
std::vector<std::string> bash_offers(const std::vector<std::string>& words) {
  const TempFolder folder;
  const std::string script = (folder.path() / "try.bash").string();
  std::ofstream file(script);
  file << "set -u\nsource \"$1\"; shift\nCOMP_WORDS=(\"$@\")\nCOMP_CWORD=$(($# - 1))\n"
       << "_hearth\nif [ ${#COMPREPLY[@]} -gt 0 ]; then printf '%s\\n' \"${COMPREPLY[@]}\"; fi\n";
  file.close();
  const std::string completion = (folder.path() / "completion").string();
  Program program;
  std::ofstream(completion) << bash_completion(program.app());
  std::vector<std::string> arguments = {script, completion};
  arguments.insert(arguments.end(), words.begin(), words.end());
  const Outcome outcome = run_program("bash", arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::vector<std::string> offers;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) offers.push_back(line);
  return offers;
}

using Words = std::vector<std::string>;

TEST(BashCompletion, OffersSubcommandsFlagsAndValues) {
  EXPECT_EQ(bash_offers({"hearth", "gen"}), Words{"generate"});
  EXPECT_EQ(bash_offers({"hearth", "config", ""}), (Words{"path", "show"}));
  EXPECT_EQ(bash_offers({"hearth", "config", "show", "--or"}), Words{"--origin"});
  EXPECT_EQ(bash_offers({"hearth", "generate", "--top"}), (Words{"--top-k", "--top-p"}));
  EXPECT_EQ(bash_offers({"hearth", "generate", "--kv", ""}), (Words{"bf16", "int8"}));
  EXPECT_EQ(bash_offers({"hearth", "generate", "--kv", "=", "i"}), Words{"int8"});
  EXPECT_EQ(bash_offers({"hearth", "generate", "--kv", "="}), (Words{"bf16", "int8"}));
  EXPECT_EQ(bash_offers({"hearth", "--color", "n"}), Words{"never"});
  EXPECT_EQ(bash_offers({"hearth", "--color", "never", "syn"}), Words{"synth"});
  EXPECT_EQ(bash_offers({"hearth", "bench", "-o", "js"}), (Words{"json", "jsonl"}));
  EXPECT_EQ(bash_offers({"hearth", "completion", ""}), (Words{"bash", "zsh", "fish"}));
  EXPECT_EQ(bash_offers({"hearth", "generate", "--temp", ""}), Words{});
}

TEST(BashCompletion, OffersFilesAndFolders) {
  // From the root of the source tree.
  EXPECT_EQ(bash_offers({"hearth", "generate", "-m", "tests/golde"}), Words{"tests/golden"});
  EXPECT_EQ(bash_offers({"hearth", "generate", "-m", "packages.t"}), Words{});
  EXPECT_EQ(bash_offers({"hearth", "eval", "--text", "packages.t"}), Words{"packages.txt"});
  EXPECT_EQ(bash_offers({"hearth", "show", "tests/golde"}), Words{"tests/golden"});
}

TEST(BashCompletion, AValueThatIsACommandsNameIsNoCommand) {
  EXPECT_EQ(bash_offers({"hearth", "--config", "show", "gen"}), Words{"generate"});
}

bool is_installed(const std::string& program) {
  return run_program("sh", {"-c", "command -v " + program}).exit_code == 0;
}

TEST(FishCompletion, OffersSubcommandsFlagsAndValues) {
  if (!is_installed("fish")) GTEST_SKIP() << "fish is not installed";
  const TempFolder folder;
  const std::string script = (folder.path() / "hearth.fish").string();
  Program program;
  std::ofstream(script) << fish_completion(program.app());
  const auto offers = [&](const std::string& line) {
    const Outcome outcome = run_program("fish", {"--no-config", "-c",
                                                 "source " + script + "; complete -C '" + line +
                                                     "' | string replace -r '\\t.*' ''"});
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
  };
  EXPECT_EQ(offers("hearth gen"), "generate\n");
  EXPECT_EQ(offers("hearth generate --top"), "--top-k\n--top-p\n");
  EXPECT_EQ(offers("hearth generate --kv "), "bf16\nint8\n");
  EXPECT_EQ(offers("hearth config show --or"), "--origin\n");
}

TEST(ZshCompletion, IsAcceptedByZsh) {
  if (!is_installed("zsh")) GTEST_SKIP() << "zsh is not installed";
  const TempFolder folder;
  const std::string script = (folder.path() / "_hearth").string();
  Program program;
  std::ofstream(script) << zsh_completion(program.app());
  const Outcome outcome = run_program("zsh", {"-f", "-n", script});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

TEST(ZshCompletion, SaysWhatToOffer) {
  Program program;
  const std::string zsh = zsh_completion(program.app());
  EXPECT_TRUE(zsh.starts_with("#compdef hearth\n"));
  EXPECT_NE(zsh.find("'(--kv)--kv=["), std::string::npos);
  EXPECT_NE(zsh.find(":(bf16 int8)'"), std::string::npos);
  EXPECT_NE(zsh.find("]:DIR:_files -/'"), std::string::npos) << zsh;
  EXPECT_NE(zsh.find(":FILE:_files'"), std::string::npos);
}

}  // namespace
}  // namespace hearth
