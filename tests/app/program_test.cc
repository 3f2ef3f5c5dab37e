// The program as a user runs it: exit codes, what goes to stdout and what to stderr.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/app/hearth_program.h"
#include "tests/support/malformed.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::malformed_models;
using testing::MalformedCase;
using testing::Outcome;
using testing::run_hearth;
using testing::TempFolder;
using testing::tiny_model;

class ShowMalformed : public ::testing::TestWithParam<MalformedCase> {};

TEST_P(ShowMalformed, ExitsWithCode3AndSaysWhy) {
  const TempFolder folder;
  GetParam().write(folder.path());
  const Outcome outcome = run_hearth({"show", folder.path().string()});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  for (const std::string& fragment : GetParam().fragments) {
    EXPECT_NE(outcome.err.find(fragment), std::string::npos)
        << "no \"" << fragment << "\" in: " << outcome.err;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ShowMalformed, ::testing::ValuesIn(malformed_models()),
                         [](const auto& row) { return row.param.name; });

TEST(ShowProgram, PrintsAModel) {
  const TempFolder folder;
  tiny_model(2).write(folder.path());
  const Outcome text = run_hearth({"show", folder.path().string()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_NE(text.out.find("gptq 4 bit, groups of 32"), std::string::npos) << text.out;

  const Outcome json = run_hearth({"show", folder.path().string(), "--json"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  const auto report = nlohmann::json::parse(json.out);
  EXPECT_EQ(report["geometry"]["layers"], 2);
  EXPECT_EQ(report["files"].size(), 2u);
}

TEST(ShowProgram, AnAbsentFolderIsAnInvalidModel) {
  const Outcome outcome = run_hearth({"show", "/nowhere/at/all"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("/nowhere/at/all"), std::string::npos) << outcome.err;
}

TEST(ShowProgram, UsageErrorsExitWithCode2) {
  EXPECT_EQ(run_hearth({"show"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"show", "x", "--no-such-option"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"synth", "x", "--dry-run", "--recipe", "int3"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"synth", "x", "--dry-run", "--preset", "gpt"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"synth", "x", "--dry-run", "--layers", "49"}).exit_code, 2);
}

TEST(SynthProgram, DryRunPrintsTheAudit) {
  const Outcome mixed = run_hearth({"synth", "/nowhere", "--dry-run"});
  EXPECT_EQ(mixed.exit_code, 0) << mixed.err;
  EXPECT_TRUE(
      mixed.out.starts_with("227,088 tensors (222,447 in the main shards, 4,641 in the MTP shard)\n"
                            "43,243,415,040 bytes in the main shards\n"
                            "859,042,816 bytes in the MTP shard\n"))
      << mixed.out;
  const Outcome bf16 = run_hearth({"synth", "/nowhere", "--dry-run", "--recipe", "bf16"});
  EXPECT_TRUE(bf16.out.starts_with("75,944 tensors\n162,649,725,440 bytes in the main shards\n"))
      << bf16.out;
}

TEST(SynthProgram, WritesAFolderThatShowAccepts) {
  const TempFolder folder;
  const std::string path = (folder.path() / "with a space").string();
  const Outcome written = run_hearth({"synth", path, "--preset", "tiny", "--layers", "2"});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_EQ(run_hearth({"show", path}).exit_code, 0);
  const Outcome again = run_hearth({"synth", path, "--preset", "tiny"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_NE(again.err.find("does not overwrite"), std::string::npos) << again.err;
}

}  // namespace
}  // namespace hearth
