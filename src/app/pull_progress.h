// What a download says on stderr: a bar on a terminal, a line for every tenth elsewhere, and in
// both cases a line for each file that is done.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hub/downloader.h"

namespace hearth {

/// "4.9 GB", "12.0 MB", "350 B"
std::string bytes_text(uint64_t bytes);

class PullProgress : public PullObserver {
 public:
  PullProgress(bool quiet, bool terminal) : quiet_(quiet), terminal_(terminal) {}

  void begin(const std::vector<PullFile>& files) override;
  void advance(const std::string& file, int64_t bytes) override;
  void finished(const std::string& file, uint64_t bytes) override;
  void note(const std::string& text) override;
  /// Takes the bar away.
  void end();

 private:
  void say(const std::string& line);
  std::string status() const;
  void draw();

  struct File {
    uint64_t bytes = 0;
    uint64_t done = 0;
    bool active = false;
  };

  const bool quiet_;
  const bool terminal_;
  std::mutex mutex_;  // guards what follows
  Stopwatch clock_;
  double drawn_at_seconds_ = -1;
  std::map<std::string, File> files_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
  uint64_t kept_ = 0;
  uint64_t tenths_ = 0;  // that lines were printed for
};

}  // namespace hearth
