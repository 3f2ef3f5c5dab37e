// What the program says while it loads a model: the memory it will take, and how far it is.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/clock.h"
#include "model/memory_ledger.h"
#include "os/file_reader.h"

namespace hearth {

/// The ledger as a short table.
std::string ledger_text(const MemoryLedger& ledger);

/// Flat, with units last.
nlohmann::ordered_json ledger_json(const MemoryLedger& ledger);

std::string_view residency_name(Residency residency);

/// "[#####-----]  4.1 of 8.2 GB, 0.85 GB/s, 5 s left"
std::string progress_line(uint64_t done, uint64_t total, double seconds);

/// "read 8.2 GB in 9.7 s, 0.85 GB/s (io_uring, direct)"
std::string read_text(const ReadReport& report);

/// Shows a bar on a terminal, and nothing elsewhere: logs want one line, at the end.
class ProgressBar {
 public:
  explicit ProgressBar(bool terminal) : terminal_(terminal) {}
  void show(uint64_t done, uint64_t total) const;
  /// Takes the bar away and leaves one line.
  void finish(const ReadReport& report) const;

 private:
  bool terminal_;
  Stopwatch clock_;
};

}  // namespace hearth
