// pull, ls, verify, rm and -m as a user runs them: exit codes, what goes to stdout, what to stderr.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/hub/fake_hub.h"
#include "tests/support/program.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

using testing::FakeHub;
using testing::Outcome;
using testing::read_file;
using testing::TempFolder;
using testing::write_file;

class HubProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!FakeHub::can_run()) GTEST_SKIP() << "no python3";
    hub = std::make_unique<FakeHub>();
  }

  std::string environment() const {
    return "HF_HUB_CACHE='" + cache().string() + "' HF_ENDPOINT=" + hub->endpoint() +
           " HF_HUB_OFFLINE=0 HF_TOKEN=t ";
  }
  Outcome run(const std::vector<std::string>& arguments, const std::string& before = "") const {
    return testing::run_program(HEARTH_PROGRAM, arguments, environment() + before);
  }
  fs::path cache() const { return folder.path() / "a cache"; }
  fs::path snapshot() const { return cache() / "models--org--small/snapshots" / FakeHub::kCommit; }

  TempFolder folder;
  std::unique_ptr<FakeHub> hub;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(HubProgram, PullsAndUses) {
  const Outcome absent = run({"show", "org/small"});
  EXPECT_EQ(absent.exit_code, 3);
  EXPECT_TRUE(has(absent.err, "hearth pull org/small")) << absent.err;

  const Outcome pulled = run({"pull", "org/small"});
  EXPECT_EQ(pulled.exit_code, 0) << pulled.err;
  EXPECT_EQ(pulled.out, snapshot().string() + "\n");
  EXPECT_TRUE(has(pulled.err, "100 %: ")) << pulled.err;
  EXPECT_TRUE(has(pulled.err, "model-00001-of-00002.safetensors: ")) << pulled.err;
  EXPECT_FALSE(has(pulled.err, "\r")) << "a bar without a terminal";

  EXPECT_EQ(run({"show", "org/small"}).exit_code, 0);
  const Outcome ls = run({"ls"});
  EXPECT_TRUE(has(ls.out, "org/small")) << ls.out;
  EXPECT_TRUE(has(ls.out, "main 111111111111")) << ls.out;
  EXPECT_TRUE(has(ls.out, "complete")) << ls.out;
  const auto json = nlohmann::json::parse(run({"ls", "--json"}).out);
  EXPECT_EQ(json[0]["model"], "org/small");
  EXPECT_EQ(json[0]["snapshots"][0]["complete"], true);

  const Outcome again = run({"pull", "org/small@main", "--quiet"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.err, "");
  const auto result = nlohmann::json::parse(run({"pull", "org/small", "--json"}).out);
  EXPECT_EQ(result["fetched_bytes"], 0);
  EXPECT_EQ(result["commit"], FakeHub::kCommit);
}

TEST_F(HubProgram, ModelsOfEverySubcommandCanBeIds) {
  ASSERT_EQ(run({"pull", "org/small"}).exit_code, 0);
  // The test model has no tokenizer to speak of: the error comes from the snapshot's.
  const Outcome outcome = run({"generate", "-m", "org/small", "-p", "x"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_TRUE(has(outcome.err, snapshot().string())) << outcome.err;
  const Outcome unknown = run({"generate", "-m", "org/unknown", "-p", "x"});
  EXPECT_EQ(unknown.exit_code, 3);
  EXPECT_TRUE(has(unknown.err, "hearth pull org/unknown")) << unknown.err;
  EXPECT_EQ(run({"generate", "-m", "org/unknown", "--help"}).exit_code, 0);
}

TEST_F(HubProgram, MissingShardsAreNamed) {
  ASSERT_EQ(run({"pull", "org/small"}).exit_code, 0);
  fs::remove(fs::canonical(snapshot() / "model-00002-of-00002.safetensors"));
  const Outcome ls = run({"ls"});
  EXPECT_TRUE(has(ls.out, "incomplete: model-00002-of-00002.safetensors is missing")) << ls.out;
  const Outcome show = run({"show", "org/small"});
  EXPECT_EQ(show.exit_code, 3);
  EXPECT_TRUE(has(show.err, "model-00002-of-00002.safetensors is missing")) << show.err;
  ASSERT_EQ(run({"pull", "org/small"}).exit_code, 0);
  EXPECT_EQ(run({"show", "org/small"}).exit_code, 0);
}

TEST_F(HubProgram, VerifyFindsAFlippedBit) {
  ASSERT_EQ(run({"pull", "org/small"}).exit_code, 0);
  const Outcome good = run({"verify", "org/small"});
  EXPECT_EQ(good.exit_code, 0) << good.out;
  const fs::path blob = fs::canonical(snapshot() / "model-00001-of-00002.safetensors");
  std::string content = read_file(blob);
  content[content.size() / 2] ^= 4;
  write_file(blob, content);
  const Outcome bad = run({"verify"});
  EXPECT_EQ(bad.exit_code, 3);
  EXPECT_TRUE(has(bad.out, "model-00001-of-00002.safetensors: bad: expected")) << bad.out;
  EXPECT_TRUE(has(bad.out, blob.string())) << bad.out;
  fs::remove(blob);
  ASSERT_EQ(run({"pull", "org/small"}).exit_code, 0);
  EXPECT_EQ(run({"verify", "org/small"}).exit_code, 0);
  EXPECT_EQ(run({"verify", "org/unknown"}).exit_code, 3);
}

TEST_F(HubProgram, RemovesWhenTold) {
  ASSERT_EQ(run({"pull", "org/small"}).exit_code, 0);
  const Outcome unasked = run({"rm", "org/small"}, "</dev/null ");
  EXPECT_EQ(unasked.exit_code, 2);
  EXPECT_TRUE(has(unasked.err, "--yes")) << unasked.err;
  EXPECT_TRUE(fs::exists(snapshot()));
  const Outcome removed = run({"rm", "org/small", "--yes"});
  EXPECT_EQ(removed.exit_code, 0) << removed.err;
  EXPECT_FALSE(fs::exists(cache() / "models--org--small"));
  EXPECT_EQ(run({"rm", "org/small", "--yes"}).exit_code, 3);
  EXPECT_EQ(run({"rm", "../..", "--yes"}).exit_code, 2);
}

TEST_F(HubProgram, ExitCodes) {
  EXPECT_EQ(run({"pull"}).exit_code, 2);
  EXPECT_EQ(run({"pull", "org/../x"}).exit_code, 2);
  EXPECT_EQ(run({"pull", "org/small", "--revision", "../x"}).exit_code, 2);
  EXPECT_EQ(run({"pull", "org/unknown"}).exit_code, 5);
  hub->rule({{"path", "store"}, {"do", "status"}, {"status", 503}});
  const Outcome cut = run({"pull", "org/small", "--attempts", "1"});
  EXPECT_EQ(cut.exit_code, 6);
  EXPECT_TRUE(has(cut.err, "hearth pull org/small goes on")) << cut.err;
  // Small files may or may not have been linked before the large one failed.
  const std::string listed = run({"ls"}).out;
  EXPECT_TRUE(has(listed, "incomplete") || has(listed, "unfinished")) << listed;
}

TEST_F(HubProgram, CtrlCLeavesWhatCanBeTakenUp) {
  hub->rule({{"path", "."}, {"host", "storage"}, {"do", "slow"}, {"rate", 20'000}});
  const testing::Child child =
      testing::start_program({HEARTH_PROGRAM, "pull", "org/small", "--piece", "16", "-j", "2"},
                             {"HF_HUB_CACHE=" + cache().string(), "HF_ENDPOINT=" + hub->endpoint(),
                              "HF_TOKEN=", "HF_HUB_OFFLINE=0"},
                             true);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  ::kill(child.pid, SIGINT);
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  hub->behave(nlohmann::json::object());
  const Outcome rest = run({"pull", "org/small"});
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_TRUE(has(rest.err, "are there already")) << rest.err;
  EXPECT_EQ(run({"verify"}).exit_code, 0);
}

}  // namespace
}  // namespace hearth
