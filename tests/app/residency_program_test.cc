// Residency, ledger and precision flags as a user meets them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/load_report.h"
#include "tests/app/hearth_program.h"

namespace hearth {
namespace {

using testing::kModel;

testing::Outcome run_on_model(const std::string& command, std::vector<std::string> more,
                              const std::string& before = "") {
  std::vector<std::string> arguments = {command, "-m", kModel,   "-p", "Hello",
                                        "-n",    "8",  "--temp", "0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return testing::run_hearth(arguments, before);
}

nlohmann::json statistics(std::vector<std::string> more) {
  more.emplace_back("--json");
  const testing::Outcome outcome = run_on_model("generate", more);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  return nlohmann::json::parse(outcome.out)["statistics"];
}

TEST(Residency, ResidentAndMappedHaveTheSameLogits) {
  const nlohmann::json mapped = statistics({});
  const nlohmann::json resident = statistics({"--residency", "resident"});
  EXPECT_EQ(mapped["memory"]["residency"], "mapped");
  EXPECT_EQ(resident["memory"]["residency"], "resident");
  EXPECT_GT(resident["memory"]["read_gigabytes_per_s"], 0.0);
  EXPECT_EQ(resident["logits_hash"], mapped["logits_hash"]);
  EXPECT_EQ(resident["memory"]["needed_bytes"].get<int64_t>(),
            mapped["memory"]["needed_bytes"].get<int64_t>() +
                mapped["memory"]["weight_bytes"].get<int64_t>());
  EXPECT_EQ(statistics({"--residency", "auto"})["memory"]["residency"], "mapped");
}

TEST(Residency, RequantisedWeightsAreNamed) {
  EXPECT_EQ(statistics({})["weights"], "as in the checkpoint");
  const nlohmann::json both = statistics({"--head", "w8", "--dense", "w4"});
  EXPECT_NE(both["weights"].get<std::string>().find("head w8 ("), std::string::npos);
  EXPECT_NE(both["weights"].get<std::string>().find("dense w4 ("), std::string::npos);
  EXPECT_GT(both["memory"]["requantised_bytes"], 0);
}

TEST(Residency, TheLedgerComesBeforeAndProgressIsOneLineWithoutATerminal) {
  const testing::Outcome outcome = run_on_model("generate", {"--residency", "resident"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const size_t ledger = outcome.err.find("weights, resident");
  const size_t read = outcome.err.find("\nread ");
  ASSERT_NE(ledger, std::string::npos) << outcome.err;
  ASSERT_NE(read, std::string::npos) << outcome.err;
  EXPECT_LT(ledger, read);
  EXPECT_LT(read, outcome.err.find("load "));
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos);
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
}

TEST(Residency, LockingAMappingIsWrongUsage) {
  const testing::Outcome outcome = run_on_model("generate", {"--lock"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("--residency resident"), std::string::npos) << outcome.err;
}

TEST(Residency, ProgressSaysHowFarHowFastAndHowLongStill) {
  EXPECT_EQ(progress_line(2'000'000'000, 8'000'000'000, 2.0),
            "[#######-----------------------]   2.0 of 8.0 GB, 1.00 GB/s, 6 s left");
  EXPECT_EQ(progress_line(0, 8'000'000'000, 0.0),
            "[------------------------------]   0.0 of 8.0 GB, 0.00 GB/s, ");
}

}  // namespace
}  // namespace hearth
