#include "hub/hub_cache.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"
#include "hub/files.h"
#include "os/mapped_file.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr size_t kShortCommit = 7;  // digits that git prints by default

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// The commit in a ref; empty when there is none.
std::string read_ref(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string commit(40, '\0');
  file.read(commit.data(), 40);
  return file && is_commit(commit) ? commit : "";
}

/// The files of a snapshot, those in folders too, without following links to folders.
template <typename Visit>
void for_each_file(const fs::path& folder, const Visit& visit) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (!it->is_directory(ignored) || it->is_symlink(ignored)) visit(it->path());
  }
}

void find_revisions(const fs::path& refs, std::vector<CachedSnapshot>& snapshots) {
  std::vector<fs::path> files;
  for_each_file(refs, [&](const fs::path& path) { files.push_back(path); });
  std::sort(files.begin(), files.end());
  for (const fs::path& path : files) {
    const std::string revision = path.lexically_relative(refs).string();
    const std::string commit = read_ref(path);
    for (CachedSnapshot& snapshot : snapshots) {
      const bool temporary = path.extension() == ".tmp";  // of a process that was killed
      if (snapshot.commit == commit && is_revision(revision) && !temporary) {
        snapshot.revisions.push_back(revision);
      }
    }
  }
}

/// The shards that the folder needs; a problem when that cannot be told.
std::vector<std::string> needed_shards(const fs::path& folder, std::vector<std::string>& problems) {
  if (!is_file(folder / kIndexName)) {
    if (is_file(folder / kSingleName)) return {kSingleName};
    problems.push_back(std::string(kSingleName) + " or " + kIndexName + " is missing");
    return {};
  }
  try {
    const MappedFile index(folder / kIndexName);
    return parse_shard_index(index.bytes(), folder / kIndexName).files;
  } catch (const std::exception& error) {
    problems.emplace_back(error.what());
    return {};
  }
}

void check_shard(const fs::path& path, std::vector<std::string>& problems) {
  try {
    const MappedFile shard(path);
    (void)parse_safetensors(shard.bytes(), path);
  } catch (const LoadError& error) {
    problems.push_back(path.filename().string() + " is damaged: expected " +
                       error.problem().expected + ", found " + error.problem().found);
  } catch (const std::exception& error) {
    problems.push_back(path.filename().string() + " cannot be read: " + error.what());
  }
}

}  // namespace

std::vector<std::string> snapshot_problems(const fs::path& folder, bool check_sizes) {
  std::vector<std::string> problems;
  for (const char* name : {"config.json", "tokenizer.json"}) {
    if (!is_file(folder / name)) problems.push_back(std::string(name) + " is missing");
  }
  for (const std::string& shard : needed_shards(folder, problems)) {
    if (!is_file(folder / shard)) {
      problems.push_back(shard + " is missing");
    } else if (check_sizes) {
      check_shard(folder / shard, problems);
    }
  }
  for_each_file(folder, [&](const fs::path& path) {
    const std::string text = path.lexically_relative(folder).string() + " is missing";
    if (!is_file(path) && std::find(problems.begin(), problems.end(), text) == problems.end()) {
      problems.push_back(text);
    }
  });
  return problems;
}

fs::path HubCache::model_folder(const std::string& repo) const {
  return root_ / cache_folder_name(repo);
}

fs::path HubCache::blob(const std::string& repo, const std::string& digest) const {
  return model_folder(repo) / "blobs" / digest;
}

fs::path HubCache::lock(const std::string& repo, const std::string& digest) const {
  return root_ / ".locks" / cache_folder_name(repo) / (digest + ".lock");
}

fs::path HubCache::snapshot(const std::string& repo, const std::string& commit) const {
  return model_folder(repo) / "snapshots" / commit;
}

fs::path HubCache::ref(const ModelRef& ref) const {
  return model_folder(ref.repo) / "refs" / ref.revision;
}

void HubCache::link(const std::string& repo, const std::string& commit, const std::string& file,
                    const std::string& digest) const {
  const fs::path path = snapshot(repo, commit) / file;
  const fs::path target = blob(repo, digest).lexically_relative(path.parent_path());
  std::error_code error;
  if (fs::read_symlink(path, error) == target) return;
  replace_link(path, target);
}

std::optional<std::string> HubCache::commit_of(const ModelRef& wanted) const {
  if (std::string commit = read_ref(ref(wanted)); !commit.empty()) return commit;
  std::vector<std::string> found;
  for (const fs::path& folder : sorted_entries(model_folder(wanted.repo) / "snapshots")) {
    const std::string commit = folder.filename().string();
    if (is_commit(commit) && commit.starts_with(wanted.revision)) found.push_back(commit);
  }
  if (found.size() != 1 || wanted.revision.size() < kShortCommit) return {};
  return found.front();
}

CachedModel HubCache::model(const std::string& repo) const {
  CachedModel model{.repo = repo};
  const fs::path folder = model_folder(repo);
  for (const fs::path& path : sorted_entries(folder / "snapshots")) {
    std::error_code error;
    if (!is_commit(path.filename().string()) || !fs::is_directory(path, error)) continue;
    CachedSnapshot snapshot{.commit = path.filename().string(), .folder = path};
    for_each_file(path, [&](const fs::path& file) {
      const uint64_t bytes = fs::file_size(file, error);
      if (!error) snapshot.bytes += bytes;
    });
    snapshot.problems = snapshot_problems(path, true);
    model.snapshots.push_back(std::move(snapshot));
  }
  find_revisions(folder / "refs", model.snapshots);
  for (const fs::path& path : sorted_entries(folder / "blobs")) {
    std::error_code error;
    if (path.extension() != ".incomplete") continue;
    const uint64_t bytes = fs::file_size(path, error);
    if (!error) model.incomplete_bytes += bytes;
  }
  return model;
}

std::vector<CachedModel> HubCache::models() const {
  std::vector<CachedModel> models;
  for (const fs::path& path : sorted_entries(root_)) {
    std::error_code error;
    const auto repo = repo_of_cache_folder(path.filename().string());
    if (repo && fs::is_directory(path, error)) models.push_back(model(*repo));
  }
  return models;
}

}  // namespace hearth
