#include "hub/verify.h"

#include <algorithm>
#include <map>
#include <system_error>

#include "base/error.h"
#include "hub/blob_file.h"
#include "os/parallel_for.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxThreads = 4;  // disks are seldom faster than that many checksums

VerifiedFile found_file(const CachedSnapshot& snapshot, const fs::path& path) {
  VerifiedFile file;
  file.commit = snapshot.commit;
  file.file = path.lexically_relative(snapshot.folder).string();
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  file.blob = error ? path : (path.parent_path() / target).lexically_normal();
  if (!fs::is_regular_file(file.blob, error)) {
    file.state = FileState::kMissing;
    file.detail = "its blob is missing";
    return file;
  }
  file.bytes = fs::file_size(file.blob, error);
  return file;
}

void verify_file(VerifiedFile& file, const VerifyProgress& progress) {
  const std::string expected = file.blob.filename().string();
  try {
    const auto found = digest_of_file(file.blob, expected, progress);
    if (!found) {
      file.state = FileState::kUnverifiable;
      file.detail = "its name is no checksum";
    } else if (*found != expected) {
      file.state = FileState::kBad;
      file.detail = "expected the checksum " + expected + ", found " + *found;
    }
  } catch (const CancelledError&) {
    throw;
  } catch (const Error& error) {
    file.state = FileState::kBad;
    file.detail = error.what();
  }
}

std::vector<VerifiedFile> snapshot_files(const CachedSnapshot& snapshot) {
  std::vector<VerifiedFile> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(snapshot.folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_symlink(ignored) || !it->is_directory(ignored)) {
      files.push_back(found_file(snapshot, it->path()));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const VerifiedFile& a, const VerifiedFile& b) { return a.file < b.file; });
  return files;
}

/// What the snapshot as a whole lacks, and no file of it has said.
void add_problems(const CachedSnapshot& snapshot, std::vector<VerifiedFile>& files) {
  for (const std::string& problem : snapshot.problems) {
    const bool known = std::any_of(files.begin(), files.end(), [&](const VerifiedFile& file) {
      return file.state != FileState::kGood && problem.starts_with(file.file + " ");
    });
    if (known) continue;
    VerifiedFile row;
    row.commit = snapshot.commit;
    row.state = FileState::kMissing;
    row.detail = problem;
    files.push_back(row);
  }
}

}  // namespace

std::vector<VerifiedFile> verify_model(const HubCache& cache, const std::string& repo,
                                       const std::optional<std::string>& commit,
                                       const VerifyProgress& progress) {
  std::vector<VerifiedFile> all;
  std::vector<CachedSnapshot> snapshots = cache.model(repo).snapshots;
  if (commit) {
    std::erase_if(snapshots, [&](const CachedSnapshot& row) { return row.commit != *commit; });
  }
  std::map<fs::path, size_t> first;  // of the files with a blob
  std::vector<size_t> once;
  for (const CachedSnapshot& snapshot : snapshots) {
    for (VerifiedFile& file : snapshot_files(snapshot)) {
      if (file.state == FileState::kGood && first.emplace(file.blob, all.size()).second) {
        once.push_back(all.size());
      }
      all.push_back(std::move(file));
    }
  }
  parallel_for(
      once.size(), [&](size_t i) { verify_file(all[once[i]], progress); }, kMaxThreads);
  for (VerifiedFile& file : all) {
    const auto it = first.find(file.blob);
    if (it == first.end() || file.state == FileState::kMissing) continue;
    file.state = all[it->second].state;
    file.detail = all[it->second].detail;
  }
  for (const CachedSnapshot& snapshot : snapshots) add_problems(snapshot, all);
  return all;
}

}  // namespace hearth
