// Brings blobs into the cache over several connections, each file in ranges.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/hub_api.h"

namespace hearth {

/// A file that will be fetched.
struct PullFile {
  std::string name;
  uint64_t bytes = 0;  // 0: not known
  uint64_t kept = 0;   // of them, from an earlier run
};

/// Told what happens, by several threads at once.
class PullObserver {
 public:
  virtual ~PullObserver() = default;
  /// Before the first byte.
  virtual void begin(const std::vector<PullFile>& files) = 0;
  /// Bytes that arrived; negative when some turned out to be worthless.
  virtual void advance(const std::string& file, int64_t bytes) = 0;
  /// A file is whole, checked and in the cache.
  virtual void finished(const std::string& file, uint64_t bytes) = 0;
  /// Something a person may want to know: another process is at it, a download begins again.
  virtual void note(const std::string& text) = 0;
};

/// A blob to fetch.
struct BlobJob {
  HubSource source;
  std::filesystem::path blob;
  std::filesystem::path lock;
  std::function<void()> on_finished;  // once the blob is in place
};

struct DownloadOptions {
  int connections = 8;
  uint64_t piece_bytes = 64u << 20;  // of a request
  RetryPolicy retry;
  double stall_seconds = 30;
};

/// Fetches all jobs. The first failure that retries do not help against ends it, with what arrived
/// kept for the next run: throws NetworkError, CancelledError, Error.
void download(const HubSettings& settings, const ModelRef& ref, const DownloadOptions& options,
              std::vector<BlobJob> jobs, PullObserver& observer, const StopCheck& stop);

}  // namespace hearth
