// hearth rm: takes a model, or one revision of it, out of the cache. What is not known to be part
// of a cache stops it before anything is gone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub_cache.h"

namespace hearth {

struct RemovalPlan {
  std::string repo;
  std::vector<std::filesystem::path> files;    // in the model's folder, in this order
  std::vector<std::filesystem::path> folders;  // in the model's folder, inner ones first
  std::vector<std::string> digests;            // of blobs among the files
  uint64_t freed_bytes = 0;
  uint64_t kept_bytes = 0;    // blobs that other revisions use
  uint64_t shared_bytes = 0;  // blobs of the store that models share, which stay
  bool whole = false;         // nothing of the model stays
};

/// Looks at all that the model has in the cache, and changes nothing. Without a commit, or with the
/// only one, the plan is for the whole model. Throws LoadError when it is not there, and Error when
/// something is there that no program for the Hub puts there, above all a link that leaves the
/// cache.
RemovalPlan plan_removal(const HubCache& cache, const std::string& repo,
                         const std::optional<std::string>& commit);

/// Carries a plan out, folder by folder without following links. Throws Error; also when another
/// process downloads one of the blobs.
void remove_from_cache(const HubCache& cache, const RemovalPlan& plan);

}  // namespace hearth
