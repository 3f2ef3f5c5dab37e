#include "hub/pull.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/printable.h"
#include "hub/blob_file.h"
#include "hub/files.h"
#include "os/parallel_for.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr int kListingAttempts = 4;            // a person waits for the first answer
constexpr uint64_t kSpareBytes = 64ull << 20;  // for links, journals, other programs
constexpr size_t kMaxHeadConnections = 8;

/// What is to be done for one revision.
class Pull {
 public:
  Pull(const HubSettings& settings, const ModelRef& ref, const PullOptions& options,
       PullObserver& observer, const StopCheck& stop)
      : settings_(settings),
        ref_(ref),
        options_(options),
        observer_(observer),
        stop_(stop),
        cache_(settings.cache) {}

  PullResult run();

 private:
  PullResult run_offline() const;
  RetryPolicy listing_policy() const;
  bool have(const HubFile& file) const;
  std::vector<HubSource> find_sources(const std::vector<HubFile>& files) const;
  void check_space(uint64_t bytes) const;
  void fetch(std::vector<HubSource> sources);
  void link(const std::string& file, const std::string& digest) const;
  void check_complete() const;
  std::string resumable() const {
    return "What arrived is kept: hearth pull " + ref_.text() + " goes on from there.";
  }

  const HubSettings& settings_;
  const ModelRef& ref_;
  const PullOptions& options_;
  PullObserver& observer_;
  const StopCheck& stop_;
  HubCache cache_;
  PullResult result_;
};

uint64_t size_or_zero(const HubFile& file) { return file.size.value_or(0); }

/// The closest folder that exists: the cache may not be there yet.
fs::path existing_folder(fs::path path) {
  std::error_code error;
  while (!fs::is_directory(path, error) && path.has_relative_path()) path = path.parent_path();
  return path.empty() ? fs::path(".") : path;
}

RetryPolicy Pull::listing_policy() const {
  RetryPolicy policy = options_.download.retry;
  policy.attempts = std::min(policy.attempts, kListingAttempts);
  return policy;
}

/// Whether the blob is in the cache, as long as it has to be.
bool Pull::have(const HubFile& file) const {
  std::error_code error;
  if (file.digest.empty()) return false;
  const fs::path blob = cache_.blob(ref_.repo, file.digest);
  if (!fs::is_regular_file(blob, error)) return false;
  const uint64_t bytes = fs::file_size(blob, error);
  if (!error && (!file.size || bytes == *file.size)) return true;
  throw Error(ExitCode::kFailure,
              fmt::format("{}: expected the {} bytes of {}, found {}. The cache is damaged there: "
                          "remove this file, and run the command again.",
                          blob.string(), size_or_zero(file), file.path, bytes));
}

std::vector<HubSource> Pull::find_sources(const std::vector<HubFile>& files) const {
  std::vector<HubSource> sources(files.size());
  std::mutex mutex;
  std::vector<std::unique_ptr<HubApi>> idle;
  const auto find = [&](size_t i) {
    std::unique_ptr<HubApi> api;
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        api = std::move(idle.back());
        idle.pop_back();
      }
    }
    if (!api) api = std::make_unique<HubApi>(settings_, ref_, listing_policy(), stop_);
    sources[i] = api->find(result_.commit, files[i]);
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(api));
  };
  parallel_for(files.size(), find,
               std::min<size_t>(kMaxHeadConnections, std::max(1, options_.download.connections)));
  return sources;
}

void Pull::check_space(uint64_t bytes) const {
  const fs::path folder = existing_folder(settings_.cache);
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return;
  const uint64_t free_bytes = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  if (bytes == 0 || bytes + kSpareBytes <= free_bytes) return;
  throw Error(
      ExitCode::kFailure,
      fmt::format("{}: {:.1f} GB are to be downloaded, {:.1f} GB are free. Make room, or set "
                  "HF_HUB_CACHE to a folder on a larger disk.",
                  folder.string(), static_cast<double>(bytes) / 1e9,
                  static_cast<double>(free_bytes) / 1e9));
}

void Pull::link(const std::string& file, const std::string& digest) const {
  cache_.link(ref_.repo, result_.commit, file, digest);
}

/// Downloads small files first: should it end early, config.json and the index tell what is
/// missing.
void Pull::fetch(std::vector<HubSource> sources) {
  std::stable_sort(sources.begin(), sources.end(), [](const HubSource& a, const HubSource& b) {
    return size_or_zero(a.file) < size_or_zero(b.file);
  });
  std::vector<BlobJob> jobs;
  std::map<std::string, std::vector<std::string>> names;  // of files with the same content
  for (const HubSource& source : sources) names[source.file.digest].push_back(source.file.path);
  std::vector<PullFile> files;
  uint64_t fetched_bytes = 0;
  for (HubSource& source : sources) {
    const auto own = names.find(source.file.digest);
    if (own == names.end()) continue;  // a twin of one before
    const std::string digest = source.file.digest;
    const fs::path blob = cache_.blob(ref_.repo, digest);
    PullFile row{source.file.path, size_or_zero(source.file), 0};
    if (source.file.size) row.kept = BlobFile::kept_bytes(blob, *source.file.size);
    fetched_bytes += row.bytes - row.kept;
    files.push_back(std::move(row));
    const auto link_all = [this, digest, twins = std::move(own->second)] {
      for (const std::string& file : twins) link(file, digest);
    };
    names.erase(own);
    jobs.push_back({std::move(source), blob, cache_.lock(ref_.repo, digest), link_all});
  }
  check_space(fetched_bytes);
  result_.fetched_bytes = fetched_bytes;
  observer_.begin(files);
  try {
    download(settings_, ref_, options_.download, std::move(jobs), observer_, stop_);
  } catch (const NetworkError& error) {
    throw Error(ExitCode::kInterrupted, fmt::format("{} {}", error.what(), resumable()));
  } catch (const CancelledError& error) {
    throw CancelledError(fmt::format("{} {}", error.what(), resumable()));
  }
}

void Pull::check_complete() const {
  const std::vector<std::string> problems = snapshot_problems(result_.folder, true);
  if (problems.empty()) return;
  throw LoadError({.file = result_.folder,
                   .where = "",
                   .expected = "a whole model in " + ref_.text(),
                   .found = joined(problems, "; "),
                   .advice = "All that the Hub has of it is here now. hearth runs models of the "
                             "Qwen3-Next family in safetensors files."});
}

PullResult Pull::run_offline() const {
  PullResult result;
  const auto commit = cache_.commit_of(ref_);
  if (commit) result.folder = cache_.snapshot(ref_.repo, *commit);
  if (!commit || !snapshot_problems(result.folder, false).empty()) {
    throw NetworkError(
        fmt::format("{} is not complete in {}, and HF_HUB_OFFLINE forbids to fetch "
                    "the rest.",
                    ref_.text(), settings_.cache.string()));
  }
  result.commit = *commit;
  return result;
}

PullResult Pull::run() {
  if (settings_.offline) return run_offline();
  const HubListing listing = HubApi(settings_, ref_, listing_policy(), stop_).list();
  result_.commit = listing.commit;
  result_.folder = cache_.snapshot(ref_.repo, listing.commit);
  std::vector<HubFile> absent;
  for (const HubFile& file : listing.files) {
    if (!options_.all && !is_wanted_file(file.path)) continue;
    ++result_.files;
    result_.bytes += size_or_zero(file);
    if (have(file)) {
      link(file.path, file.digest);
      // A process that was killed between its last two steps leaves a journal behind.
      std::error_code ignored;
      for (const fs::path& path : BlobFile::companions(cache_.blob(ref_.repo, file.digest))) {
        fs::remove(path, ignored);
      }
    } else {
      absent.push_back(file);
    }
  }
  if (result_.files == 0) {
    throw NetworkError(ref_.text() + " has no files that hearth reads.");
  }
  std::vector<HubSource> sources;
  for (HubSource& source : find_sources(absent)) {
    // A listing without checksums leaves it to the headers to name the blob.
    if (have(source.file)) {
      link(source.file.path, source.file.digest);
    } else {
      sources.push_back(std::move(source));
    }
  }
  fetch(std::move(sources));
  if (!is_commit(ref_.revision)) replace_file(cache_.ref(ref_), listing.commit);
  if (!options_.all) check_complete();
  return result_;
}

}  // namespace

bool is_wanted_file(const std::string& path) {
  constexpr std::array<std::string_view, 5> kEndings = {".safetensors", ".json", ".jinja",
                                                        ".tiktoken", ".model"};
  constexpr std::array<std::string_view, 5> kBeginnings = {"README", "LICENSE", "LICENCE", "NOTICE",
                                                           "merges.txt"};
  const auto ends = [&](std::string_view ending) { return path.ends_with(ending); };
  const auto begins = [&](std::string_view beginning) { return path.starts_with(beginning); };
  return path.find('/') == path.npos &&
         (std::any_of(kEndings.begin(), kEndings.end(), ends) ||
          std::any_of(kBeginnings.begin(), kBeginnings.end(), begins));
}

PullResult pull(const HubSettings& settings, const ModelRef& ref, const PullOptions& options,
                PullObserver& observer, const StopCheck& stop) {
  return Pull(settings, ref, options, observer, stop).run();
}

}  // namespace hearth
