// The cache on disk that all programs for the Hub share:
//
//   models--org--name/blobs/DIGEST                 files, called by their checksum
//   models--org--name/snapshots/COMMIT/config.json → ../../blobs/DIGEST
//   models--org--name/refs/main                    the commit that a branch or tag was at
//   .locks/models--org--name/DIGEST.lock           held by whoever downloads that blob
//
// huggingface_hub may keep a blob as a link to blobs/XX/HASH beside the models ("shared blobs").
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/repo_id.h"

namespace hearth {

struct CachedSnapshot {
  std::string commit;
  std::vector<std::string> revisions = {};  // that are at this commit
  std::filesystem::path folder;
  uint64_t bytes = 0;                      // of the files that are there
  std::vector<std::string> problems = {};  // why no model can be loaded from it; empty: complete
};

struct CachedModel {
  std::string repo;
  std::vector<CachedSnapshot> snapshots = {};
  uint64_t incomplete_bytes = 0;  // of blobs that were not finished
};

class HubCache {
 public:
  explicit HubCache(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path model_folder(const std::string& repo) const;
  std::filesystem::path blob(const std::string& repo, const std::string& digest) const;
  std::filesystem::path lock(const std::string& repo, const std::string& digest) const;
  std::filesystem::path snapshot(const std::string& repo, const std::string& commit) const;
  std::filesystem::path ref(const ModelRef& ref) const;

  /// Links a file of a snapshot to its blob, in place of whatever link was there. Throws Error.
  void link(const std::string& repo, const std::string& commit, const std::string& file,
            const std::string& digest) const;

  /// The commit of a revision as the cache knows it: by its ref, or a commit with a snapshot, of
  /// which the first seven digits are enough.
  std::optional<std::string> commit_of(const ModelRef& ref) const;

  /// All models, in order of their names; other kinds of repositories are passed over.
  std::vector<CachedModel> models() const;
  /// One model; without snapshots when it is not there.
  CachedModel model(const std::string& repo) const;

 private:
  std::filesystem::path root_;
};

/// What keeps a folder from being a model that can be loaded: files that are missing, links that
/// lead nowhere, and, on request, shards that are not as long as their headers say.
std::vector<std::string> snapshot_problems(const std::filesystem::path& folder, bool check_sizes);

}  // namespace hearth
