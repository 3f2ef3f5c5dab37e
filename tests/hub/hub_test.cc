// Names, settings, checksums, the cache on disk, and what may be removed from it. No network.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <span>

#include "base/error.h"
#include "hub/aliases.h"
#include "hub/blob_file.h"
#include "hub/http.h"
#include "hub/hub_cache.h"
#include "hub/hub_settings.h"
#include "hub/removal.h"
#include "hub/repo_id.h"
#include "hub/resolve_model.h"
#include "hub/verify.h"
#include "tests/support/model_source.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

using testing::read_file;
using testing::TempFolder;
using testing::tiny_model;
using testing::write_file;

constexpr const char* kRepo = "org/small";
const std::string kFirst(40, '1');
const std::string kSecond(40, '2');

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(RepoId, FollowsTheRulesOfTheHub) {
  for (const char* good : {"org/name", "Qwen/Qwen3-Next-80B-A3B-Instruct", "a/b", "gpt2", "_x/y_",
                           "Foo-BAR_foo.bar123"}) {
    EXPECT_TRUE(is_repo_id(good)) << good;
  }
  const std::string long_name(97, 'a');
  for (const std::string& bad :
       {std::string(""), std::string("/"), std::string("org/"), std::string("/name"),
        std::string("a/b/c"), std::string("../x"), std::string("a/.."), std::string("a/.b"),
        std::string("a--b/c"), std::string("a/b..c"), std::string("a/b.git"), std::string("a b/c"),
        std::string("a/b\\c"), std::string("a/b\0c", 5), std::string("-a/b"), std::string("a/b-"),
        std::string("a/\xc3\xa9"), std::string("a/b@c"), long_name}) {
    EXPECT_FALSE(is_repo_id(bad)) << bad;
    EXPECT_THROW(parse_model_ref(bad + "@x/../y"), UsageError) << bad;
  }
}

TEST(RepoId, Revisions) {
  for (const char* good : {"main", "v1.0", "refs/pr/12", "feature/a-b_c+d",
                           "0123456789abcdef0123456789abcdef01234567"}) {
    EXPECT_TRUE(is_revision(good)) << good;
  }
  for (const char* bad : {"", "/", "a//b", "../x", "a/../b", ".hidden", "a/.b", "-x", "a b", "a~1",
                          "a\\b", "a:b", "x.lock", "a/"}) {
    EXPECT_FALSE(is_revision(bad)) << bad;
  }
  const ModelRef ref = parse_model_ref("org/name@refs/pr/3");
  EXPECT_EQ(ref.repo, "org/name");
  EXPECT_EQ(ref.revision, "refs/pr/3");
  EXPECT_EQ(ref.text(), "org/name@refs/pr/3");
  EXPECT_EQ(parse_model_ref("org/name").text(), "org/name");
}

TEST(RepoId, FilePathsStayInTheirFolder) {
  for (const char* good :
       {"config.json", "a/b/c.json", ".gitattributes", "a b.json", "\xc3\xa9.txt", "..a", "a..b"}) {
    EXPECT_TRUE(is_safe_file_path(good)) << good;
  }
  for (const std::string& bad :
       {std::string(""), std::string("/a"), std::string("a/"), std::string(".."), std::string("."),
        std::string("../a"), std::string("a/../b"), std::string("a/./b"), std::string("a//b"),
        std::string("a\\b"), std::string("a\0b", 3), std::string("a\nb"), std::string("a\x7f"),
        std::string(256, 'a')}) {
    EXPECT_FALSE(is_safe_file_path(bad)) << bad;
  }
}

TEST(RepoId, FoldersOfTheCache) {
  EXPECT_EQ(cache_folder_name("org/name"), "models--org--name");
  EXPECT_EQ(cache_folder_name("gpt2"), "models--gpt2");
  EXPECT_EQ(repo_of_cache_folder("models--org--na-me"), "org/na-me");
  EXPECT_EQ(repo_of_cache_folder("models--gpt2"), "gpt2");
  EXPECT_FALSE(repo_of_cache_folder("datasets--org--name"));
  EXPECT_FALSE(repo_of_cache_folder("models--a--b--c"));
  EXPECT_FALSE(repo_of_cache_folder("models--"));
}

TEST(Aliases, AreModelsOfTheHub) {
  for (const ModelAlias& row : model_aliases()) {
    EXPECT_TRUE(is_repo_id(row.repo)) << row.repo;
    EXPECT_NE(row.repo.find('/'), std::string::npos);
    EXPECT_EQ(row.alias.find('/'), std::string::npos);
    EXPECT_EQ(named_model(row.alias).repo, row.repo);
    EXPECT_EQ(named_model(std::string(row.alias) + "@v2").revision, "v2");
  }
}

HubSettings settings_from(const std::map<std::string, std::string>& variables) {
  return hub_settings([&](const char* name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    if (it == variables.end()) return {};
    return it->second;
  });
}

TEST(Settings, TheCacheIsWhereTheOtherProgramsHaveIt) {
  EXPECT_EQ(settings_from({{"HOME", "/h"}}).cache, "/h/.cache/huggingface/hub");
  EXPECT_EQ(settings_from({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}).cache, "/x/huggingface/hub");
  EXPECT_EQ(settings_from({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/y"}}).cache,
            "/h/y/hub");
  EXPECT_EQ(settings_from({{"HF_HOME", "/y"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}).cache, "/old");
  EXPECT_EQ(settings_from({{"HUGGINGFACE_HUB_CACHE", "/old"}, {"HF_HUB_CACHE", "/z"}}).cache, "/z");
}

TEST(Settings, TheTokenComesFromTheEnvironmentOrAFile) {
  const TempFolder folder;
  const std::string home = folder.path().string();
  EXPECT_EQ(settings_from({{"HF_HOME", home}}).token, "");
  write_file(folder.path() / "token", " from-file\n");
  EXPECT_EQ(settings_from({{"HF_HOME", home}}).token, "from-file");
  EXPECT_EQ(settings_from({{"HF_HOME", home}, {"HF_TOKEN", "t\n"}}).token, "t");
  EXPECT_EQ(settings_from({{"HF_TOKEN_PATH", home + "/token"}}).token, "from-file");
  EXPECT_THROW(settings_from({{"HF_TOKEN", "a\r\nHost: evil"}}), UsageError);
}

TEST(Settings, EndpointAndOffline) {
  EXPECT_EQ(settings_from({}).endpoint, "https://huggingface.co");
  EXPECT_EQ(settings_from({{"HF_ENDPOINT", "http://mirror:8080/"}}).endpoint, "http://mirror:8080");
  EXPECT_THROW(settings_from({{"HF_ENDPOINT", "file:///etc"}}), UsageError);
  EXPECT_FALSE(settings_from({{"HF_HUB_OFFLINE", "0"}}).offline);
  EXPECT_TRUE(settings_from({{"HF_HUB_OFFLINE", "1"}}).offline);
  EXPECT_TRUE(settings_from({{"HF_HUB_OFFLINE", "true"}}).offline);
}

TEST(Http, OriginsAreSchemeHostAndPort) {
  EXPECT_EQ(origin_of("https://Hub.example/a?b"), "https://hub.example:443");
  EXPECT_EQ(origin_of("http://h:8080/"), "http://h:8080");
  EXPECT_NE(origin_of("http://h/"), origin_of("https://h/"));
  EXPECT_NE(origin_of("https://h/"), origin_of("https://h:444/"));
  EXPECT_NE(origin_of("https://h.evil/"), origin_of("https://h/"));
  EXPECT_EQ(origin_of("https://h@evil/"), "https://evil:443");
  EXPECT_THROW(origin_of("file:///etc/passwd"), NetworkError);
  EXPECT_THROW(origin_of("nonsense"), NetworkError);
}

TEST(DigestOf, KnownChecksums) {
  // `printf hello | sha256sum`, `printf hello | git hash-object --stdin`
  Digest sha256(DigestKind::kSha256, 5);
  sha256.update(bytes_of("hel"));
  sha256.update(bytes_of("lo"));
  EXPECT_EQ(sha256.hex(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  Digest sha1(DigestKind::kGitBlobSha1, 5);
  sha1.update(bytes_of("hello"));
  EXPECT_EQ(sha1.hex(), "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
  EXPECT_FALSE(digest_kind("abc"));
  EXPECT_FALSE(digest_kind(std::string(64, 'A')));
}

constexpr const char* kHello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

TEST(BlobFileOnDisk, TakesUpWhatTheJournalHas) {
  const TempFolder folder;
  const fs::path blob = folder.path() / kHello;
  {
    BlobFile file(blob, kHello, 5);
    EXPECT_EQ(file.missing(2), (std::vector<ByteRange>{{0, 2}, {2, 4}, {4, 5}}));
    file.write(3, bytes_of("lo"));
    file.keep({3, 5});
    file.write(0, bytes_of("h"));  // not kept
  }
  // A line that was cut off counts as nothing.
  const fs::path journal = BlobFile::companions(blob)[1];
  write_file(journal, read_file(journal) + "0 3");
  EXPECT_EQ(BlobFile::kept_bytes(blob, 5), 2u);
  BlobFile file(blob, kHello, 5);
  EXPECT_EQ(file.missing(8), (std::vector<ByteRange>{{0, 3}}));
  file.write(0, bytes_of("hel"));
  file.keep({0, 3});
  file.hash_ahead();
  EXPECT_TRUE(file.missing(8).empty());
  ASSERT_TRUE(file.matches(5));
  file.publish();
  EXPECT_EQ(read_file(blob), "hello");
  for (const fs::path& path : BlobFile::companions(blob)) EXPECT_FALSE(fs::exists(path)) << path;
}

TEST(BlobFileOnDisk, BelievesNoJournalOfAnotherSizeOrBeyondTheFile) {
  const TempFolder folder;
  const fs::path blob = folder.path() / kHello;
  const auto files = BlobFile::companions(blob);
  write_file(files[0], "hello");
  for (const char* text : {"hearth 1 6\n0 5\n", "hearth 2 5\n0 5\n", "", "hearth 1 5\n0 9\n",
                           "hearth 1 5\n4 2\n", "hearth 1 5\n-1 5\n", "hearth 1 5\n0 5 9\n"}) {
    write_file(files[0], "hello");
    write_file(files[1], text);
    EXPECT_EQ(BlobFile::kept_bytes(blob, 5), 0u) << text;
  }
  write_file(files[1], "hearth 1 5\n0 4\n2 5\n");
  EXPECT_EQ(BlobFile::kept_bytes(blob, 5), 5u);
}

TEST(BlobFileOnDisk, DoesNotMatchOtherBytes) {
  const TempFolder folder;
  BlobFile file(folder.path() / kHello, kHello, 5);
  file.write(0, bytes_of("hallo"));
  file.keep({0, 5});
  EXPECT_FALSE(file.matches(5));
  file.restart();
  EXPECT_EQ(file.present_bytes(), 0u);
  file.write(0, bytes_of("hello"));
  file.keep({0, 5});
  EXPECT_TRUE(file.matches(5));
}

/// A cache with one model, written without hearth::pull.
class Cache : public ::testing::Test {
 protected:
  void SetUp() override {
    const TempFolder model;
    tiny_model(2).write(model.path());
    write_file(model.path() / "tokenizer.json", "{}");
    for (const auto& entry : fs::directory_iterator(model.path())) {
      const std::string name = entry.path().filename().string();
      add(kFirst, name, read_file(entry.path()));
      if (name != "tokenizer.json") add(kSecond, name, read_file(entry.path()));
    }
    add(kSecond, "tokenizer.json", "{ }");
    fs::create_directories(repo() / "refs");
    write_file(repo() / "refs/main", kFirst);
  }

  /// Adds a file as huggingface_hub does.
  void add(const std::string& commit, const std::string& name, const std::string& content) {
    Digest digest(DigestKind::kGitBlobSha1, content.size());
    digest.update(bytes_of(content));
    const std::string blob = digest.hex();
    fs::create_directories(repo() / "blobs");
    fs::create_directories(repo() / "snapshots" / commit);
    write_file(repo() / "blobs" / blob, content);
    fs::create_symlink("../../blobs/" + blob, repo() / "snapshots" / commit / name);
  }

  fs::path repo() const { return folder.path() / "hub/models--org--small"; }
  fs::path file(const std::string& name) const { return repo() / "snapshots" / kFirst / name; }

  /// Every path below the cache, to be compared.
  std::vector<std::string> everything() const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
      paths.push_back(entry.path().string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  /// The removal is refused with a message that has `fragment`, and nothing is gone.
  void expect_refusal(const std::string& fragment) {
    const auto before = everything();
    try {
      remove_from_cache(cache, plan_removal(cache, kRepo, {}));
      ADD_FAILURE() << "not refused: " << fragment;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
    }
    EXPECT_EQ(everything(), before);
  }

  TempFolder folder;
  HubCache cache{folder.path() / "hub"};
  HubSettings settings{.cache = folder.path() / "hub", .token = ""};
};

TEST_F(Cache, IsListed) {
  fs::create_directories(folder.path() / "hub/datasets--org--data/snapshots");
  const std::vector<CachedModel> models = cache.models();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].repo, kRepo);
  ASSERT_EQ(models[0].snapshots.size(), 2u);
  EXPECT_EQ(models[0].snapshots[0].revisions, std::vector<std::string>{"main"});
  EXPECT_TRUE(models[0].snapshots[0].problems.empty());
  EXPECT_GT(models[0].snapshots[0].bytes, 1000u);
}

TEST_F(Cache, NamesResolveToFolders) {
  const fs::path first = repo() / "snapshots" / kFirst;
  EXPECT_EQ(resolve_model("org/small", settings), first);
  EXPECT_EQ(resolve_model("org/small@main", settings), first);
  EXPECT_EQ(resolve_model("org/small@" + kSecond, settings), repo() / "snapshots" / kSecond);
  EXPECT_EQ(resolve_model("org/small@2222222", settings), repo() / "snapshots" / kSecond);
  EXPECT_EQ(resolve_model(first.string(), settings), first);
  EXPECT_EQ(resolve_model("/nowhere/at/all", settings), "/nowhere/at/all");
  EXPECT_EQ(resolve_model("./x", settings), "./x");
  EXPECT_EQ(model_name(first), "org/small");
  EXPECT_EQ(model_name(first / ""), "org/small");
  EXPECT_EQ(model_name("/models/snapshots/mine/"), "mine");
  EXPECT_EQ(model_name("models/other/../mine"), "mine");
  for (const char* absent : {"org/other", "org/small@v9", "org/small@222222", "nothing"}) {
    EXPECT_THROW(resolve_model(absent, settings), LoadError) << absent;
  }
  for (const char* odd : {"../..@x", "org/..", "a b", "org/small@../x"}) {
    EXPECT_THROW(resolve_model(odd, settings), Error) << odd;
  }
}

TEST_F(Cache, EveryKindOfMissingFileIsNamed) {
  const std::string shard = "model-00002-of-00002.safetensors";
  const std::vector<std::string> names = {"config.json", "tokenizer.json", shard,
                                          "generation_config.json"};
  for (const std::string& name : names) {
    const fs::path link = file(name);
    const fs::path target = fs::read_symlink(link);
    fs::remove(link);
    fs::create_symlink("../../blobs/" + std::string(40, '0'), link);
    const auto problems = snapshot_problems(link.parent_path(), true);
    EXPECT_EQ(problems, std::vector<std::string>{name + " is missing"});
    try {
      resolve_model("org/small", settings);
      ADD_FAILURE() << name;
    } catch (const LoadError& error) {
      EXPECT_NE(std::string(error.what()).find(name + " is missing"), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("hearth pull org/small"), std::string::npos);
    }
    fs::remove(link);
    fs::create_symlink(target, link);
  }
  EXPECT_TRUE(snapshot_problems(file(""), true).empty());
}

TEST_F(Cache, AShortShardIsNotComplete) {
  const fs::path blob = fs::canonical(file("model-00001-of-00002.safetensors"));
  fs::resize_file(blob, fs::file_size(blob) - 1);
  const auto problems = snapshot_problems(file(""), true);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("model-00001-of-00002.safetensors is damaged"), std::string::npos);
}

TEST_F(Cache, VerifyNamesTheBadFile) {
  const auto states = [&] {
    std::map<FileState, int> counts;
    for (const VerifiedFile& row : verify_model(cache, kRepo, {}, {})) ++counts[row.state];
    return counts;
  };
  EXPECT_EQ(states()[FileState::kBad], 0);
  const fs::path blob = fs::canonical(file("model-00001-of-00002.safetensors"));
  std::string content = read_file(blob);
  content.back() ^= 1;
  write_file(blob, content);
  EXPECT_EQ(states()[FileState::kBad], 2);  // both revisions link to it
  fs::remove(blob);
  EXPECT_EQ(states()[FileState::kMissing], 2);
}

TEST_F(Cache, RemovesAWholeModel) {
  fs::create_directories(repo() / "trees");
  write_file(repo() / "trees" / (kFirst + ".json"), "{}");
  write_file(repo() / "blobs" / (std::string(kHello) + ".hearth.incomplete"), "hel");
  fs::create_directories(repo() / ".no_exist" / kFirst);
  write_file(repo() / ".no_exist" / kFirst / "x.json", "");
  const RemovalPlan plan = plan_removal(cache, kRepo, {});
  EXPECT_TRUE(plan.whole);
  remove_from_cache(cache, plan);
  EXPECT_FALSE(fs::exists(repo()));
  EXPECT_TRUE(fs::exists(folder.path() / "hub"));
  EXPECT_THROW(plan_removal(cache, kRepo, {}), LoadError);
}

TEST_F(Cache, RemovingARevisionKeepsWhatOthersUse) {
  const RemovalPlan plan = plan_removal(cache, kRepo, kFirst);
  EXPECT_FALSE(plan.whole);
  EXPECT_EQ(plan.freed_bytes, 2u);  // "{}" of the tokenizer
  EXPECT_GT(plan.kept_bytes, 1000u);
  remove_from_cache(cache, plan);
  const CachedModel model = cache.model(kRepo);
  ASSERT_EQ(model.snapshots.size(), 1u);
  EXPECT_EQ(model.snapshots[0].commit, kSecond);
  EXPECT_TRUE(model.snapshots[0].problems.empty());
  EXPECT_FALSE(fs::exists(repo() / "refs/main"));
  EXPECT_TRUE(plan_removal(cache, kRepo, kSecond).whole);
}

TEST_F(Cache, RemovesNothingThatIsNotACache) {
  write_file(repo() / "thesis.txt", "years of work");
  expect_refusal("thesis.txt");
  fs::remove(repo() / "thesis.txt");

  write_file(repo() / "blobs/thesis.txt", "years of work");
  expect_refusal("its name is no checksum");
  fs::remove(repo() / "blobs/thesis.txt");

  write_file(file("notes.txt"), "mine");
  expect_refusal("notes.txt");
  fs::remove(file("notes.txt"));

  write_file(repo() / "refs/other", "not a commit");
  expect_refusal("it names no commit");
  fs::remove(repo() / "refs/other");
}

TEST_F(Cache, RemovesNothingThroughLinks) {
  const fs::path outside = folder.path() / "outside";
  fs::create_directories(outside / "blobs");
  write_file(outside / kHello, "precious");

  fs::create_symlink(outside / kHello, repo() / "blobs" / kHello);
  expect_refusal("it leads out of the cache");
  fs::remove(repo() / "blobs" / kHello);

  fs::create_symlink("../../../../outside/" + std::string(kHello), file("evil.json"));
  expect_refusal("and not to a blob");
  fs::remove(file("evil.json"));

  fs::create_directory_symlink(outside, repo() / "trees");
  expect_refusal("it is not a folder");
  fs::remove(repo() / "trees");

  fs::create_directory_symlink(outside, repo() / "snapshots" / std::string(40, '3'));
  expect_refusal("and not to a blob");
  fs::remove(repo() / "snapshots" / std::string(40, '3'));

  fs::rename(repo(), folder.path() / "elsewhere");
  fs::create_directory_symlink(folder.path() / "elsewhere", repo());
  expect_refusal("it is no folder of its own");
  EXPECT_EQ(read_file(outside / kHello), "precious");
}

TEST_F(Cache, SharedBlobsOfHuggingFaceAreRead) {
  const fs::path store = folder.path() / "hub/blobs" / std::string(kHello).substr(0, 2);
  const fs::path blob = fs::canonical(file("config.json"));
  fs::create_directories(store);
  fs::rename(blob, store / kHello);
  fs::create_symlink("../../blobs/2c/" + std::string(kHello), blob);
  EXPECT_TRUE(snapshot_problems(file(""), true).empty());
  for (const VerifiedFile& row : verify_model(cache, kRepo, {}, {})) {
    EXPECT_EQ(row.state, FileState::kGood) << row.file << row.detail;
  }
  const RemovalPlan plan = plan_removal(cache, kRepo, {});
  EXPECT_GT(plan.shared_bytes, 0u);
  remove_from_cache(cache, plan);
  EXPECT_FALSE(fs::exists(repo()));
  EXPECT_TRUE(fs::exists(store / kHello));
}

}  // namespace
}  // namespace hearth
