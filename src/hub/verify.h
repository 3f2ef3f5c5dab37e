// hearth verify: whether the files in the cache are what their names say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub_cache.h"

namespace hearth {

enum class FileState { kGood, kBad, kMissing, kUnverifiable };

struct VerifiedFile {
  std::string commit;
  std::string file;
  std::filesystem::path blob;  // where its bytes are
  uint64_t bytes = 0;
  FileState state = FileState::kGood;
  std::string detail;  // what is wrong; empty when nothing is
};

/// Called with counts of bytes that were read, by several threads.
using VerifyProgress = std::function<void(uint64_t bytes)>;

/// Takes the checksum of every file in the snapshots of a model, or in the one of `commit`; each
/// blob is read once. Throws CancelledError.
std::vector<VerifiedFile> verify_model(const HubCache& cache, const std::string& repo,
                                       const std::optional<std::string>& commit,
                                       const VerifyProgress& progress);

}  // namespace hearth
