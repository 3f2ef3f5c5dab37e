#include "hub/removal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "hub/digest.h"
#include "hub/files.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

/// "DIGEST" of "DIGEST", "DIGEST.incomplete", "DIGEST.1234.tmp" and their like; empty for other
/// names.
std::string digest_of_blob_name(const std::string& name) {
  const std::string digest = name.substr(0, name.find('.'));
  return digest_kind(digest) ? digest : "";
}

/// The parts of a model's folder, each entry looked at without following links.
class Inspection {
 public:
  Inspection(const HubCache& cache, const std::string& repo)
      : root_(cache.root()), folder_(cache.model_folder(repo)) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(folder_, error);
    if (status.type() == fs::file_type::not_found) {
      throw LoadError({.file = folder_,
                       .where = "",
                       .expected = "the model " + repo,
                       .found = "nothing",
                       .advice = "hearth ls shows what is downloaded."});
    }
    if (status.type() != fs::file_type::directory) refuse(folder_, "it is no folder of its own");
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) inspect_part(entry);
  }

  struct Link {
    std::string commit;
    fs::path path;     // in the folder
    std::string blob;  // its name
  };

  std::vector<Link> links;
  std::map<std::string, uint64_t> blobs;         // name → bytes that removing it frees
  std::map<std::string, uint64_t> shared_blobs;  // name → bytes in the store that models share
  std::vector<std::pair<fs::path, std::string>> refs;    // with their commits
  std::vector<std::pair<fs::path, std::string>> extras;  // of huggingface_hub, with their commits
  std::set<std::string> commits;
  std::vector<fs::path> folders;  // outer ones first

 private:
  [[noreturn]] static void refuse(const fs::path& path, const std::string& why) {
    throw Error(
        ExitCode::kFailure,
        fmt::format("{}: {}, so that this may be no cache. Nothing was removed; look at it, "
                    "and remove it by hand.",
                    path.string(), why));
  }

  void inspect_part(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    const bool known = name == "blobs" || name == "refs" || name == "snapshots" ||
                       name == "trees" || name == ".no_exist";
    if (!known) refuse(entry.path(), "a cache has no such entry");
    if (!is_folder(entry)) refuse(entry.path(), "it is not a folder");
    walk(entry.path(), [&](const fs::directory_entry& file) {
      if (name == "blobs") {
        inspect_blob(file);
      } else if (name == "snapshots") {
        inspect_link(file);
      } else {
        inspect_small(file, name);
      }
    });
  }

  static bool is_folder(const fs::directory_entry& entry) {
    return entry.symlink_status().type() == fs::file_type::directory;
  }

  template <typename Visit>
  void walk(const fs::path& path, const Visit& visit) {
    folders.push_back(path.lexically_relative(folder_));
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      if (is_folder(entry)) {
        walk(entry.path(), visit);
      } else {
        visit(entry);
      }
    }
  }

  void inspect_blob(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (entry.path().parent_path() != folder_ / "blobs" || digest_of_blob_name(name).empty()) {
      refuse(entry.path(), "its name is no checksum");
    }
    const fs::file_type type = entry.symlink_status().type();
    std::error_code error;
    if (type == fs::file_type::regular) {
      blobs[name] = entry.file_size();
    } else if (type == fs::file_type::symlink && leads_to_store(entry.path())) {
      blobs[name] = 0;
      const uint64_t bytes = fs::file_size(entry.path(), error);
      shared_blobs[name] = error ? 0 : bytes;
    } else {
      refuse(entry.path(), "it leads out of the cache");
    }
  }

  /// ROOT/blobs/XX/HASH, where HASH begins with XX.
  bool leads_to_store(const fs::path& link) const {
    const fs::path target = (link.parent_path() / fs::read_symlink(link)).lexically_normal();
    const std::string hash = target.filename().string();
    return digest_kind(hash) == DigestKind::kSha256 &&
           target == (root_ / "blobs" / hash.substr(0, 2) / hash).lexically_normal();
  }

  void inspect_link(const fs::directory_entry& entry) {
    const fs::path path = entry.path().lexically_relative(folder_);
    const std::string commit = std::next(path.begin())->string();
    if (entry.symlink_status().type() != fs::file_type::symlink || !is_commit(commit)) {
      refuse(entry.path(), "a snapshot holds links to blobs, and this is none");
    }
    const fs::path raw = fs::read_symlink(entry.path());
    const fs::path target = (path.parent_path() / raw).lexically_normal();
    const std::string blob = target.filename().string();
    if (raw.is_absolute() || target != fs::path("blobs") / blob ||
        digest_of_blob_name(blob) != blob) {
      refuse(entry.path(), "it leads to " + printable(raw.string()) + " and not to a blob");
    }
    commits.insert(commit);
    links.push_back({commit, path, blob});
  }

  /// refs/NAME, trees/COMMIT.json, .no_exist/COMMIT/FILE: small files.
  void inspect_small(const fs::directory_entry& entry, const std::string& part) {
    const fs::path path = entry.path().lexically_relative(folder_);
    if (entry.symlink_status().type() != fs::file_type::regular) {
      refuse(entry.path(), "it is not a plain file");
    }
    if (part == "refs") {
      std::ifstream file(entry.path(), std::ios::binary);
      std::string text;
      std::getline(file, text);
      if (!is_commit(text) && path.extension() != ".tmp")
        refuse(entry.path(), "it names no commit");
      refs.emplace_back(path, text);
      return;
    }
    const std::string commit = std::next(path.begin())->stem().string();
    if (!is_commit(commit)) refuse(entry.path(), "it belongs to no commit");
    extras.emplace_back(path, commit);
  }

  fs::path root_;
  fs::path folder_;
};

/// Opens a folder below another, no part of the way being a link.
Descriptor open_below(int root, const fs::path& path) {
  Descriptor folder(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const fs::path& part : path) {
    if (folder.get() < 0) break;
    folder = Descriptor(
        ::openat(folder.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  if (folder.get() < 0) throw_file_error(path, "opened", errno);
  return folder;
}

void unlink_below(int root, const fs::path& path, int flags) {
  const Descriptor folder = open_below(root, path.parent_path());
  if (::unlinkat(folder.get(), path.filename().c_str(), flags) != 0 && errno != ENOENT) {
    throw_file_error(path, "removed", errno);
  }
}

}  // namespace

RemovalPlan plan_removal(const HubCache& cache, const std::string& repo,
                         const std::optional<std::string>& commit) {
  const Inspection found(cache, repo);
  const bool others = std::any_of(found.commits.begin(), found.commits.end(),
                                  [&](const std::string& other) { return other != commit; });
  RemovalPlan plan;
  plan.repo = repo;
  plan.whole = !commit || !others;
  const auto goes = [&](const std::string& of) { return plan.whole || of == commit; };
  std::set<std::string> used;    // by what stays
  std::set<std::string> unused;  // by what stays, but by what goes
  for (const auto& [path, of] : found.refs) {
    if (goes(of)) plan.files.push_back(path);
  }
  for (const Inspection::Link& link : found.links) {
    (goes(link.commit) ? unused : used).insert(link.blob);
    if (goes(link.commit)) plan.files.push_back(link.path);
  }
  for (const auto& [path, of] : found.extras) {
    if (goes(of)) plan.files.push_back(path);
  }
  for (const auto& [name, bytes] : found.blobs) {
    if (plan.whole || (unused.contains(name) && !used.contains(name))) {
      plan.files.push_back(fs::path("blobs") / name);
      plan.digests.push_back(digest_of_blob_name(name));
      plan.freed_bytes += bytes;
      if (const auto it = found.shared_blobs.find(name); it != found.shared_blobs.end()) {
        plan.shared_bytes += it->second;
      }
    } else if (unused.contains(name)) {
      plan.kept_bytes += bytes;
    }
  }
  for (auto it = found.folders.rbegin(); it != found.folders.rend(); ++it) {
    const bool of_commit = std::distance(it->begin(), it->end()) > 1 &&
                           std::next(it->begin())->string() == commit.value_or("");
    if (plan.whole || of_commit) plan.folders.push_back(*it);
  }
  return plan;
}

void remove_from_cache(const HubCache& cache, const RemovalPlan& plan) {
  std::vector<FileLock> locks;
  for (const std::string& digest : plan.digests) {
    const fs::path path = cache.lock(plan.repo, digest);
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    FileLock lock = FileLock::try_acquire(path);
    if (!lock) {
      throw Error(ExitCode::kFailure, fmt::format("{} is being downloaded by another process; "
                                                  "nothing was removed.",
                                                  plan.repo));
    }
    locks.push_back(std::move(lock));
  }
  const fs::path name = cache_folder_name(plan.repo);
  const Descriptor root(::open(cache.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) throw_file_error(cache.root(), "opened", errno);
  const Descriptor folder = open_below(root.get(), name);
  for (const fs::path& file : plan.files) unlink_below(folder.get(), file, 0);
  for (const fs::path& inner : plan.folders) unlink_below(folder.get(), inner, AT_REMOVEDIR);
  if (plan.whole) unlink_below(root.get(), name, AT_REMOVEDIR);
}

}  // namespace hearth
