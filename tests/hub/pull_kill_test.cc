// kill -9 at random moments of a download: afterwards no blob has other bytes than its name says,
// nothing half is called complete, and the next run goes on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "hub/blob_file.h"
#include "hub/hub_cache.h"
#include "hub/pull.h"
#include "tests/hub/fake_hub.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

using testing::Child;
using testing::FakeHub;
using testing::read_file;
using testing::RepoFiles;
using testing::TempFolder;

constexpr const char* kCommitA = FakeHub::kCommit;
constexpr const char* kCommitB = "2222222222222222222222222222222222222222";

/// Starts pull, kills it after the given time unless it has ended; whether it ended well.
bool pull_for(const FakeHub& hub, const fs::path& cache, std::chrono::milliseconds time) {
  const Child child =
      testing::start_program({HEARTH_PROGRAM, "pull", FakeHub::kRepo, "--piece", "16", "-j", "4"},
                             {"HF_HUB_CACHE=" + cache.string(), "HF_ENDPOINT=" + hub.endpoint(),
                              "HF_HUB_OFFLINE=0", "HF_TOKEN="},
                             true);
  const auto end = std::chrono::steady_clock::now() + time;
  int status = 0;
  while (std::chrono::steady_clock::now() < end) {
    if (::waitpid(child.pid, &status, WNOHANG) == child.pid) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
      return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  ::kill(child.pid, SIGKILL);
  ::waitpid(child.pid, &status, 0);
  return false;
}

/// What must hold at any moment.
void expect_sound(const fs::path& root, const std::map<std::string, RepoFiles>& truth) {
  const HubCache cache(root);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(cache.blob(FakeHub::kRepo, ""), error)) {
    const std::string name = entry.path().filename().string();
    if (digest_kind(name)) {
      EXPECT_EQ(digest_of_file(entry.path(), name), name);
    }
  }
  for (const CachedSnapshot& snapshot : cache.model(FakeHub::kRepo).snapshots) {
    const RepoFiles& files = truth.at(snapshot.commit);
    size_t present = 0;
    for (const auto& [name, content] : files) {
      if (!is_wanted_file(name) || !fs::exists(snapshot.folder / name)) continue;
      EXPECT_EQ(read_file(snapshot.folder / name), content) << name;
      ++present;
    }
    if (snapshot.problems.empty()) {
      EXPECT_GE(present, 4u);  // config, tokenizer, two shards
    }
    // A ref is the last thing to be written.
    if (!snapshot.revisions.empty()) {
      EXPECT_TRUE(snapshot.problems.empty());
    }
  }
}

void run_rounds(int rounds) {
  if (!FakeHub::can_run()) GTEST_SKIP() << "no python3";
  RepoFiles changed = testing::small_model();
  for (auto& [name, content] : changed) {
    if (name == "README.md" || name == "tokenizer.json") content += " ";
  }
  const std::map<std::string, RepoFiles> truth = {{kCommitA, testing::small_model()},
                                                  {kCommitB, changed}};
  FakeHub hub;
  hub.add(FakeHub::kRepo, kCommitB, changed);
  std::mt19937 random(static_cast<unsigned>(rounds));
  auto folder = std::make_unique<TempFolder>();
  int kills = 0;
  int completed = 0;
  const auto finish = [&](const std::string& commit) {
    const CachedModel model = HubCache(folder->path() / "hub").model(FakeHub::kRepo);
    EXPECT_EQ(read_file(folder->path() / "hub/models--org--small/refs/main"), commit);
    for (const CachedSnapshot& row : model.snapshots) {
      if (row.commit == commit) {
        EXPECT_TRUE(row.problems.empty());
      }
    }
    ++completed;
    folder = std::make_unique<TempFolder>();
  };
  while (kills < rounds && !::testing::Test::HasFailure()) {
    const std::string commit = random() % 8 == 0 ? kCommitB : kCommitA;
    hub.behave({{"refs", {{FakeHub::kRepo, {{"main", commit}}}}},
                {"rules", nlohmann::json::array({{{"path", "."},
                                                  {"host", "storage"},
                                                  {"do", "slow"},
                                                  {"rate", 10'000 + random() % 50'000}}})}});
    const fs::path cache = folder->path() / "hub";
    const auto time = std::chrono::milliseconds(random() % 700);
    if (pull_for(hub, cache, time)) {
      expect_sound(cache, truth);
      finish(commit);
    } else {
      ++kills;
      expect_sound(cache, truth);
    }
  }
  hub.behave(nlohmann::json::object());
  EXPECT_TRUE(pull_for(hub, folder->path() / "hub", std::chrono::seconds(60)));
  finish(kCommitA);
  std::printf("%d kills, %d downloads completed\n", kills, completed);
  EXPECT_EQ(kills, rounds);
}

TEST(PullKill, Short) { run_rounds(15); }

TEST(PullKill, Long) { run_rounds(200); }

}  // namespace
}  // namespace hearth
