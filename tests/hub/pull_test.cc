// pull() against a Hub on the loopback: what arrives, what is asked for, and what becomes of a
// server that does not do what it should.
#include "hub/pull.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "hub/blob_file.h"
#include "hub/resolve_model.h"
#include "hub/verify.h"
#include "tests/hub/fake_hub.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::json;
using testing::FakeHub;
using testing::read_file;
using testing::RepoFiles;
using testing::small_model;
using testing::TempFolder;

constexpr const char* kShard = "model-00001-of-00002.safetensors";

/// Counts what it is told.
class Watcher : public PullObserver {
 public:
  void begin(const std::vector<PullFile>& rows) override {
    for (const PullFile& row : rows) {
      total += static_cast<int64_t>(row.bytes);
      kept += static_cast<int64_t>(row.kept);
    }
    files = rows.size();
    done = kept.load();
  }
  void advance(const std::string&, int64_t bytes) override {
    done += bytes;
    if (stop_at > 0 && done >= stop_at) stopped = true;
  }
  void finished(const std::string&, uint64_t) override { ++finished_files; }
  void note(const std::string&) override { ++notes; }

  std::atomic<size_t> files = 0;
  std::atomic<int64_t> total = 0;
  std::atomic<int64_t> kept = 0;
  std::atomic<int64_t> done = 0;
  std::atomic<size_t> finished_files = 0;
  std::atomic<int> notes = 0;
  int64_t stop_at = 0;  // bytes at which stopped becomes true; 0: never
  std::atomic<bool> stopped = false;
};

class Pull : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!FakeHub::can_run()) GTEST_SKIP() << "no python3";
    hub = std::make_unique<FakeHub>();
    settings = hub->settings(folder.path() / "hub");
    options.download.connections = 4;
    options.download.piece_bytes = 8192;
    options.download.retry = {3, 0.01, 0.02};
    options.download.stall_seconds = 1;
  }

  PullResult run() {
    return pull(settings, ref, options, watcher, [&] { return stop(); });
  }
  bool stop() const { return watcher.stopped; }

  /// The exit code and the message of a pull that fails.
  std::pair<int, std::string> failure() {
    try {
      run();
    } catch (const Error& error) {
      return {static_cast<int>(error.code()), error.what()};
    }
    return {0, ""};
  }

  /// The snapshot has the files that hearth wants, byte by byte, as links into blobs/.
  void expect_whole(const RepoFiles& files, const std::string& commit = FakeHub::kCommit) {
    const fs::path snapshot = HubCache(settings.cache).snapshot(ref.repo, commit);
    for (const auto& [name, content] : files) {
      if (!options.all && !is_wanted_file(name)) {
        EXPECT_FALSE(fs::exists(snapshot / name)) << name;
        continue;
      }
      ASSERT_TRUE(fs::is_symlink(snapshot / name)) << name;
      EXPECT_TRUE(fs::read_symlink(snapshot / name).string().starts_with("../")) << name;
      EXPECT_EQ(read_file(snapshot / name), content) << name;
    }
    EXPECT_EQ(leftovers(), 0u);
  }

  /// Files in blobs/ that are not blobs.
  size_t leftovers() const {
    size_t count = 0;
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(HubCache(settings.cache).blob(ref.repo, ""), error)) {
      if (!digest_kind(entry.path().filename().string())) ++count;
    }
    return count;
  }

  /// No blob has other bytes than its name says.
  void expect_no_wrong_blob() const {
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(HubCache(settings.cache).blob(ref.repo, ""), error)) {
      const std::string name = entry.path().filename().string();
      if (digest_kind(name)) {
        EXPECT_EQ(digest_of_file(entry.path(), name), name);
      }
    }
  }

  size_t count_requests(const std::string& host, const std::string& method) {
    const std::vector<Json> rows = hub->requests();
    return static_cast<size_t>(std::count_if(rows.begin(), rows.end(), [&](const Json& row) {
      return row["host"] == host && row["method"] == method;
    }));
  }

  TempFolder folder;
  std::unique_ptr<FakeHub> hub;
  HubSettings settings;
  ModelRef ref{.repo = FakeHub::kRepo};
  PullOptions options;
  Watcher watcher;
};

TEST_F(Pull, BringsTheFilesThatHearthReads) {
  const PullResult result = run();
  expect_whole(small_model());
  EXPECT_EQ(result.commit, FakeHub::kCommit);
  EXPECT_EQ(read_file(settings.cache / "models--org--small/refs/main"), FakeHub::kCommit);
  EXPECT_EQ(watcher.done, watcher.total);
  EXPECT_EQ(watcher.finished_files, watcher.files);
  EXPECT_TRUE(snapshot_problems(result.folder, true).empty());
  EXPECT_EQ(resolve_model("org/small", settings), result.folder);
}

TEST_F(Pull, ASecondPullAsksForTheListingOnly) {
  run();
  hub->requests();
  const PullResult again = run();
  EXPECT_EQ(again.fetched_bytes, 0u);
  EXPECT_EQ(hub->requests().size(), 1u);
}

TEST_F(Pull, AllBringsTheOthersToo) {
  options.all = true;
  run();
  expect_whole(small_model());
}

TEST_F(Pull, CutsLargeFilesIntoRanges) {
  run();
  size_t ranges = 0;
  for (const Json& row : hub->requests()) {
    if (row["host"] == "storage" && row["range"].is_string()) ++ranges;
  }
  EXPECT_GT(ranges, 4u);
}

TEST_F(Pull, TheTokenGoesToTheHubAndToNoOtherHost) {
  settings.token = "secret-of-the-user";
  hub->behave({{"token", settings.token}});
  run();
  size_t with_token = 0;
  for (const Json& row : hub->requests()) {
    if (row["host"] == "storage") {
      EXPECT_TRUE(row["authorization"].is_null()) << row;
    } else {
      EXPECT_EQ(row["authorization"], "Bearer " + settings.token) << row;
      ++with_token;
    }
  }
  EXPECT_GT(with_token, 2u);
}

TEST_F(Pull, TheTokenStaysWhenEveryRequestIsRedirected) {
  settings.token = "secret-of-the-user";
  hub->rule(
      {{"path", "/api/models/"}, {"do", "redirect"}, {"location", "http://127.0.0.1:{storage}/x"}});
  EXPECT_EQ(failure().first, 5);
  for (const Json& row : hub->requests()) EXPECT_NE(row["host"], "storage") << row;
}

TEST_F(Pull, ServersWithoutRangesAreReadFromTheStart) {
  hub->rule({{"path", "."}, {"do", "no_ranges"}});
  run();
  expect_whole(small_model());
  EXPECT_EQ(watcher.done, watcher.total);
}

TEST_F(Pull, NoRangesAndCutOffOnce) {
  hub->rules(
      {{{"path", "."}, {"do", "no_ranges"}},
       {{"path", kShard}, {"host", "storage"}, {"do", "truncate"}, {"bytes", 9000}, {"times", 1}}});
  run();
  expect_whole(small_model());
  EXPECT_EQ(watcher.done, watcher.total);
}

TEST_F(Pull, AnswersWithoutLengthAreRead) {
  hub->rule({{"path", "."}, {"method", "GET"}, {"do", "no_length"}});
  run();
  expect_whole(small_model());
}

TEST_F(Pull, WithoutAnySizeTheChecksumDecides) {
  hub->rules(
      {{{"path", "api/models"}, {"do", "plain_listing"}},
       {{"path", "config.json"}, {"do", "no_length"}},
       {{"path", "README"}, {"do", "no_length"}},
       {{"path", "README"}, {"method", "GET"}, {"do", "truncate"}, {"bytes", 3}, {"times", 1}}});
  run();
  expect_whole(small_model());
}

TEST_F(Pull, AListingWithoutChecksumsLeavesItToTheHeaders) {
  hub->rule({{"path", "api/models"}, {"do", "plain_listing"}});
  run();
  expect_whole(small_model());
}

TEST_F(Pull, TruncatedAnswersAreTakenUpWhereTheyEnded) {
  hub->rule({{"path", "."}, {"host", "storage"}, {"do", "truncate"}, {"bytes", 3000}});
  run();
  expect_whole(small_model());
  EXPECT_EQ(watcher.done, watcher.total);
}

TEST_F(Pull, StalledAnswersAreAskedForAgain) {
  hub->rule({{"path", kShard}, {"host", "storage"}, {"do", "stall"}, {"times", 2}});
  run();
  expect_whole(small_model());
}

TEST_F(Pull, PassingErrorsAreTriedAgain) {
  for (const int status : {429, 500, 502, 503, 504}) {
    const TempFolder fresh;
    settings.cache = fresh.path() / "hub";
    hub->rules(
        {{{"path", "api/models"}, {"do", "status"}, {"status", status}, {"times", 1}},
         {{"path", kShard}, {"method", "HEAD"}, {"do", "status"}, {"status", status}, {"times", 1}},
         {{"path", kShard},
          {"host", "storage"},
          {"do", "status"},
          {"status", status},
          {"times", 2}}});
    run();
    expect_whole(small_model());
  }
}

TEST_F(Pull, AnAddressThatExpiredIsAskedForAgain) {
  hub->rule(
      {{"path", kShard}, {"host", "storage"}, {"do", "status"}, {"status", 403}, {"times", 1}});
  run();
  expect_whole(small_model());
  size_t through_hub = 0;  // GETs of the shard that began at the Hub
  for (const Json& row : hub->requests()) {
    const std::string path = row["path"];
    if (row["host"] == "hub" && row["method"] == "GET" && path.ends_with(kShard)) ++through_hub;
  }
  EXPECT_GE(through_hub, 1u);
}

TEST_F(Pull, AStrayJournalIsCleanedUp) {
  run();
  const HubCache cache(settings.cache);
  const fs::path blob = fs::canonical(cache.snapshot(ref.repo, FakeHub::kCommit) / kShard);
  testing::write_file(BlobFile::companions(blob)[1], "hearth 1 5\n");
  EXPECT_EQ(leftovers(), 1u);
  run();
  expect_whole(small_model());
}

TEST_F(Pull, RetryAfterIsWaitedFor) {
  hub->rule({{"path", "api/models"},
             {"do", "status"},
             {"status", 429},
             {"headers", {{"Retry-After", "1"}}},
             {"times", 1}});
  const auto start = std::chrono::steady_clock::now();
  run();
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(950));
}

TEST_F(Pull, TooLongARetryAfterIsAnError) {
  hub->rule({{"path", "api/models"},
             {"do", "status"},
             {"status", 429},
             {"headers", {{"Retry-After", "86400"}}}});
  const auto [code, message] = failure();
  EXPECT_EQ(code, 5);
  EXPECT_NE(message.find("86400"), std::string::npos) << message;
}

TEST_F(Pull, RefusalsSayWhatToDo) {
  struct Case {
    Json rule;
    std::string advice;
  };
  const std::vector<Case> cases = {
      {{{"path", "api/models"}, {"do", "status"}, {"status", 401}}, "HF_TOKEN"},
      {{{"path", "api/models"}, {"do", "status"}, {"status", 403}, {"code", "GatedRepo"}},
       "Accept the terms at " + hub->endpoint() + "/org/small"},
      {{{"path", "api/models"}, {"do", "status"}, {"status", 404}, {"code", "RepoNotFound"}},
       "no such model"},
      {{{"path", "api/models"}, {"do", "status"}, {"status", 404}, {"code", "RevisionNotFound"}},
       "has no revision main"},
      {{{"path", "api/models"}, {"do", "status"}, {"status", 503}}, "try again later"},
      {{{"path", "api/models"}, {"do", "body"}, {"text", "<html>"}}, "HF_ENDPOINT"},
      {{{"path", "api/models"}, {"do", "body"}, {"text", "{\"sha\":\"zz\",\"siblings\":[]}"}},
       "HF_ENDPOINT"},
      {{{"path", "README"}, {"method", "HEAD"}, {"do", "status"}, {"status", 404}}, "README.md"},
  };
  for (const Case& row : cases) {
    hub->rule(row.rule);
    const auto [code, message] = failure();
    EXPECT_EQ(code, 5) << row.rule;
    EXPECT_NE(message.find(row.advice), std::string::npos) << row.rule << message;
    EXPECT_FALSE(fs::exists(settings.cache / "models--org--small/refs/main"));
  }
}

TEST_F(Pull, WrongBytesNeverBecomeABlob) {
  hub->rule({{"path", kShard}, {"host", "storage"}, {"do", "garbage"}});
  const auto [code, message] = failure();
  EXPECT_EQ(code, 6);
  EXPECT_NE(message.find(kShard), std::string::npos) << message;
  EXPECT_NE(message.find("checksum"), std::string::npos) << message;
  expect_no_wrong_blob();
  const fs::path snapshot = HubCache(settings.cache).snapshot(ref.repo, FakeHub::kCommit);
  EXPECT_FALSE(fs::exists(fs::symlink_status(snapshot / kShard)));
  EXPECT_THROW(resolve_model("org/small", settings), LoadError);
  hub->behave(Json::object());
  run();
  expect_whole(small_model());
}

TEST_F(Pull, WrongBytesOnceAreDownloadedAgain) {
  hub->rule({{"path", kShard}, {"host", "storage"}, {"do", "garbage"}, {"times", 1}});
  run();
  expect_whole(small_model());
  EXPECT_EQ(watcher.notes, 1);
}

TEST_F(Pull, LyingRangesAreRefused) {
  hub->rule({{"path", kShard}, {"host", "storage"}, {"do", "wrong_range"}});
  const auto [code, message] = failure();
  EXPECT_EQ(code, 6);
  EXPECT_NE(message.find("asked for bytes"), std::string::npos) << message;
  expect_no_wrong_blob();
}

TEST_F(Pull, MoreBytesThanAnnouncedAreRefused) {
  hub->rules({{{"path", kShard}, {"host", "storage"}, {"do", "extra"}},
              {{"path", kShard}, {"host", "storage"}, {"do", "no_length"}}});
  EXPECT_EQ(failure().first, 6);
  expect_no_wrong_blob();
}

TEST_F(Pull, AFileThatChangedMidwayIsRefused) {
  hub->rule({{"path", "resolve.*" + std::string(kShard)},
             {"do", "etag"},
             {"etag", std::string(64, 'a')}});
  const auto [code, message] = failure();
  EXPECT_EQ(code, 5);
  EXPECT_NE(message.find("Run the command again"), std::string::npos) << message;
  hub->rule({{"path", "resolve"}, {"do", "commit"}, {"commit", std::string(40, '2')}});
  EXPECT_NE(failure().second.find("changed during the download"), std::string::npos);
}

TEST_F(Pull, ContentThatChangesMidwayIsNeverMixed) {
  RepoFiles changed = small_model();
  for (char& c : changed[kShard]) c = static_cast<char>(c + 1);
  watcher.stop_at = 30'000;
  EXPECT_EQ(failure().first, 130);
  hub->add(FakeHub::kRepo, FakeHub::kCommit, changed);  // another file under the same name
  watcher.stop_at = 0;
  watcher.stopped = false;
  failure();
  expect_no_wrong_blob();
}

TEST_F(Pull, AnInterruptedPullGoesOn) {
  hub->rule({{"path", "."}, {"host", "storage"}, {"do", "slow"}, {"rate", 200'000}});
  watcher.stop_at = 60'000;
  const auto [code, message] = failure();
  EXPECT_EQ(code, 130);
  EXPECT_NE(message.find("hearth pull org/small goes on"), std::string::npos) << message;
  hub->behave(Json::object());
  watcher.stop_at = 0;
  watcher.stopped = false;
  const int64_t total = watcher.total;
  watcher.total = 0;
  watcher.kept = 0;
  run();
  expect_whole(small_model());
  EXPECT_LT(watcher.total - watcher.kept, total - 20'000);
}

TEST_F(Pull, ADamagedJournalCostsTimeAndNothingElse) {
  hub->rule({{"path", "."}, {"host", "storage"}, {"do", "slow"}, {"rate", 200'000}});
  watcher.stop_at = 60'000;
  EXPECT_EQ(failure().first, 130);
  size_t spoiled = 0;
  for (const auto& entry : fs::directory_iterator(HubCache(settings.cache).blob(ref.repo, ""))) {
    if (!entry.path().string().ends_with(".hearth.incomplete")) continue;
    std::string content = read_file(entry.path());
    for (char& c : content) c = '?';
    testing::write_file(entry.path(), content);
    ++spoiled;
  }
  EXPECT_GT(spoiled, 0u);
  hub->behave(Json::object());
  watcher.stop_at = 0;
  watcher.stopped = false;
  run();
  expect_whole(small_model());
}

TEST_F(Pull, TwoAtATimeShareTheWork) {
  hub->rule({{"path", "."}, {"host", "storage"}, {"do", "slow"}, {"rate", 400'000}});
  Watcher other;
  std::jthread second([&] { EXPECT_NO_THROW(pull(settings, ref, options, other, {})); });
  EXPECT_NO_THROW(run());
  second.join();
  expect_whole(small_model());
  std::map<std::string, uint64_t> bytes;  // that were asked of the storage host
  for (const Json& row : hub->requests()) {
    if (row["host"] != "storage") continue;
    uint64_t begin = 0;
    uint64_t end = 0;
    ASSERT_EQ(std::sscanf(row["range"].get<std::string>().c_str(), "bytes=%lu-%lu", &begin, &end),
              2);
    bytes[row["path"]] += end + 1 - begin;
  }
  const RepoFiles files = small_model();
  for (const auto& [path, count] : bytes) {
    EXPECT_EQ(count, files.at(fs::path(path).filename().string()).size()) << path;
  }
}

TEST_F(Pull, NamesThatLeaveTheFolderAreRefused) {
  for (const char* name : {"../evil.json", "/etc/evil.json", "a/../../evil.json", "a\\\\b.json",
                           "a\\u0000b.json", "", "./x.json", "a//b.json", "a\\nb.json", ".."}) {
    const std::string listing = std::string(R"({"sha":")") + FakeHub::kCommit +
                                R"(","siblings":[{"rfilename":")" + name + R"("}]})";
    hub->rule({{"path", "api/models"}, {"do", "body"}, {"text", listing}});
    const auto [code, message] = failure();
    EXPECT_EQ(code, 5) << name;
    EXPECT_NE(message.find("could leave its folder"), std::string::npos) << message;
    EXPECT_FALSE(fs::exists(settings.cache)) << name;
  }
}

TEST_F(Pull, OfflineServesWhatIsThere) {
  settings.offline = true;
  EXPECT_EQ(failure().first, 5);
  settings.offline = false;
  const PullResult online = run();
  hub->requests();
  settings.offline = true;
  EXPECT_EQ(run().folder, online.folder);
  EXPECT_TRUE(hub->requests().empty());
}

TEST_F(Pull, AnUnreachableHubIsANetworkError) {
  settings.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(failure().first, 5);
}

TEST_F(Pull, RevisionsShareBlobs) {
  const std::string commit(40, '2');
  RepoFiles newer = small_model();
  newer["README.md"] = "Another text.\n";
  hub->add(FakeHub::kRepo, commit, newer);
  hub->behave({{"refs", {{FakeHub::kRepo, {{"main", FakeHub::kCommit}, {"refs/pr/1", commit}}}}}});
  run();
  ref.revision = "refs/pr/1";
  const PullResult second = run();
  EXPECT_EQ(second.fetched_bytes, newer["README.md"].size());
  expect_whole(newer, commit);
  EXPECT_EQ(read_file(settings.cache / "models--org--small/refs/refs/pr/1"), commit);
  const CachedModel model = HubCache(settings.cache).model(FakeHub::kRepo);
  ASSERT_EQ(model.snapshots.size(), 2u);
  EXPECT_EQ(model.snapshots[1].revisions, std::vector<std::string>{"refs/pr/1"});
}

TEST_F(Pull, AMissingShardIsNeverCalledPresent) {
  RepoFiles files = small_model();
  files.erase(kShard);
  hub->add("org/half", FakeHub::kCommit, files);
  hub->behave({{"refs", {{"org/half", {{"main", FakeHub::kCommit}}}}}});
  ref.repo = "org/half";
  const auto [code, message] = failure();
  EXPECT_EQ(code, 3);
  EXPECT_NE(message.find(std::string(kShard) + " is missing"), std::string::npos) << message;
  EXPECT_THROW(resolve_model("org/half", settings), LoadError);
}

}  // namespace
}  // namespace hearth
