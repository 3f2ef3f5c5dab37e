// hearth doctor and hearth estimate as a user runs them.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/app/hearth_program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::Outcome;
using testing::run_hearth;
using testing::TempFolder;

nlohmann::json parse(const Outcome& outcome) { return nlohmann::json::parse(outcome.out); }

/// A small model in a folder.
class TinyModel {
 public:
  TinyModel() {
    EXPECT_EQ(run_hearth({"synth", path(), "--preset", "tiny", "--layers", "4"}).exit_code, 0);
  }
  std::string path() const { return (folder_.path() / "model").string(); }
  const TempFolder& folder() const { return folder_; }

 private:
  TempFolder folder_;
};

TEST(DoctorProgram, PredictsForAFolderAndWritesAPage) {
  const TinyModel model;
  const std::string page = (model.folder().path() / "page.html").string();
  const Outcome outcome =
      run_hearth({"check", "--quick", "-m", model.path(), "-t", "1", "--json", "--report", page});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const nlohmann::json json = parse(outcome);
  ASSERT_EQ(json["predictions"].size(), 1u) << outcome.out;
  EXPECT_EQ(json["predictions"][0]["fit"], "fits");
  EXPECT_GT(json["predictions"][0]["decode_at_0_tokens_per_s"], 1.0);
  EXPECT_EQ(json["bandwidth"].size(), 1u);
  EXPECT_GT(json["bandwidth"][0]["random_read_bytes_per_s"], 1e8);
  std::ifstream file(page);
  const std::string html{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_TRUE(html.ends_with("</body></html>\n"));
  // The file that was read is gone.
  for (const auto& entry : std::filesystem::directory_iterator(model.path())) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".hearth-probe")) << entry.path();
  }
}

TEST(DoctorProgram, SaysWhatIsWrongBeforeItMeasures) {
  EXPECT_EQ(run_hearth({"doctor", "--report", "/nowhere/x.html"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"doctor", "--isa", "none"}).exit_code, 2);
}

TEST(BenchProgram, SaysHowFarOffThePredictionWas) {
  const TinyModel model;
  const Outcome outcome = run_hearth({"bench", "-m", model.path(), "-p", "64", "-n", "16", "-r",
                                      "2", "--probe", "0", "--predict", "-o", "jsonl"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string::size_type line = outcome.out.find('\n');
  for (const std::string& text : {outcome.out.substr(0, line), outcome.out.substr(line + 1)}) {
    const nlohmann::json row = nlohmann::json::parse(text);
    const double ratio = row["measured_over_predicted"];
    // Layers this small are all overhead, and test machines are busy: the order of magnitude.
    EXPECT_GT(ratio, 0.1) << text;
    EXPECT_LT(ratio, 10.0) << text;
  }
}

TEST(EstimateProgram, CountsAsGenerateDoes) {
  const TinyModel model;
  const Outcome outcome = run_hearth(
      {"estimate", "-m", model.path(), "--json", "-c", "100", "--sequences", "3", "--kv", "int8"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const nlohmann::json json = parse(outcome);
  EXPECT_EQ(json["sequences"], 3);
  EXPECT_EQ(json["context_tokens"], 3 * 128);  // whole pages
  EXPECT_EQ(json["kv_type"], "int8");
  EXPECT_EQ(json["fits"], true);
  EXPECT_EQ(json["needed_bytes"].get<uint64_t>() + json["weight_bytes"].get<uint64_t>(),
            json["resident_needed_bytes"].get<uint64_t>());
  const nlohmann::json shown =
      nlohmann::json::parse(run_hearth({"show", model.path(), "--json"}).out);
  EXPECT_EQ(json["weight_bytes"], shown["ledger"]["weight_bytes"]);
}

TEST(EstimateProgram, KnowsModelsThatAreNotThere) {
  const Outcome outcome = run_hearth({"estimate", "--preset", "instruct-int4-mixed"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("43243.4 MB"), std::string::npos) << outcome.out;
}

TEST(EstimateProgram, WhatDoesNotFitExitsWithCode4AndAdvice) {
  const Outcome outcome = run_hearth(
      {"estimate", "--preset", "instruct-bf16", "-c", "262144", "--sequences", "4096", "--json"});
  EXPECT_EQ(outcome.exit_code, 4);
  const nlohmann::json json = parse(outcome);
  EXPECT_EQ(json["fits"], false);
  EXPECT_NE(json["advice"].get<std::string>().find("--kv int8"), std::string::npos);
  EXPECT_NE(outcome.err.find("--kv int8"), std::string::npos) << outcome.err;
}

TEST(EstimateProgram, UsageErrors) {
  EXPECT_EQ(run_hearth({"estimate"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"estimate", "--preset", "gpt"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"estimate", "--preset", "instruct-bf16", "-m", "x"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"estimate", "--preset", "instruct-bf16", "-c", "300000"}).exit_code, 2);
  EXPECT_EQ(run_hearth({"estimate", "-m", "/nowhere/at/all"}).exit_code, 3);
}

}  // namespace
}  // namespace hearth
