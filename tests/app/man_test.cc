// Manual pages: valid roff, and all that they promise to tell.
#include "app/man.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <fstream>

#include "app/exit_codes.h"
#include "app/option_table.h"
#include "app/program.h"
#include "tests/app/hearth_program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::Outcome;
using testing::run_hearth;
using testing::run_program;
using testing::TempFolder;

TEST(ManPages, AreAcceptedByGroff) {
  if (run_program("sh", {"-c", "command -v groff"}).exit_code != 0) {
    GTEST_SKIP() << "groff is not installed (groff-base)";
  }
  const TempFolder folder;
  Program program;
  for (const CLI::App* command : command_tree(program.app())) {
    const std::string path = (folder.path() / "page.1").string();
    std::ofstream(path) << man_page(*command);
    const Outcome outcome = run_program("groff", {"-man", "-ww", "-z", "-Tutf8", path});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "") << command_path(*command);
  }
}

TEST(ManPages, OfTheProgramTellFilesVariablesAndExitCodes) {
  Program program;
  std::string page = man_page(program.app());
  std::erase(page, '\\');
  EXPECT_TRUE(page.starts_with(".TH \"HEARTH\" 1 ")) << page;
  for (const char* part :
       {".SH COMMANDS\n", ".SH OPTIONS\n", ".SH ENVIRONMENT\n", ".SH FILES\n", ".SH EXIT STATUS\n",
        "config.toml", "NO_COLOR", "Variable: HEARTH_COLOR"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  for (const ExitCodeRow& row : exit_codes()) {
    const std::string code = std::to_string(static_cast<int>(row.code));
    EXPECT_NE(page.find(".B \"" + code + "\"\n" + row.meaning), std::string::npos) << code;
  }
}

TEST(ManPages, AreWrittenAndPrintedByTheProgram) {
  const TempFolder folder;
  const Outcome written = run_hearth({"man", "--output", folder.path().string()});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  const Outcome printed = run_hearth({"man", "config", "show"});
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_EQ(printed.out, testing::read_file(folder.path() / "hearth-config-show.1"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "hearth.1"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "hearth-generate.1"));

  const Outcome unknown = run_hearth({"man", "generat"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("hearth generate"), std::string::npos) << unknown.err;
  EXPECT_EQ(run_hearth({"man", "--output", "/nowhere/at/all"}).exit_code, 2);
}

}  // namespace
}  // namespace hearth
