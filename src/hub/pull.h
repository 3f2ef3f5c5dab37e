// hearth pull: a revision of a model, from the Hub into the cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "hub/downloader.h"
#include "hub/hub_cache.h"
#include "hub/hub_settings.h"

namespace hearth {

struct PullOptions {
  bool all = false;  // every file, not only those that hearth reads
  DownloadOptions download = {};
};

struct PullResult {
  std::string commit;
  std::filesystem::path folder;  // the snapshot
  size_t files = 0;
  uint64_t bytes = 0;          // of these files
  uint64_t fetched_bytes = 0;  // of those that were not in the cache
};

/// Whether hearth, or its user, reads a file of this path: weights, configuration, tokenizer,
/// templates, README and licence, in the top folder.
bool is_wanted_file(const std::string& path);

/// Fetches what the cache lacks, links it, and lets the revision's ref point to it. When it ends
/// early the cache is as it was, apart from whole files and parts that the next run takes up.
///
/// Throws NetworkError; Error with kInterrupted when a part is kept, with kFailure when the disk is
/// full or a file cannot be written; CancelledError; LoadError when the revision is no complete
/// model.
PullResult pull(const HubSettings& settings, const ModelRef& ref, const PullOptions& options,
                PullObserver& observer, const StopCheck& stop);

}  // namespace hearth
