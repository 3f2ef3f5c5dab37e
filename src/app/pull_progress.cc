#include "app/pull_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace hearth {
namespace {

constexpr int kBarWidth = 24;
constexpr double kRedrawSeconds = 0.1;
constexpr size_t kMaxNamedFiles = 2;

int percent(uint64_t done, uint64_t total) {
  return total == 0
             ? 100
             : static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"KB", "MB", "GB", "TB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1e3;
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1e3;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

void PullProgress::begin(const std::vector<PullFile>& files) {
  const std::lock_guard lock(mutex_);
  for (const PullFile& file : files) {
    files_[file.name] = {file.bytes, file.kept, false};
    total_ += file.bytes;
    kept_ += file.kept;
  }
  done_ = kept_;
  tenths_ = static_cast<uint64_t>(percent(done_, total_)) / 10;
  clock_.restart();
  if (files.empty()) {
    say("Everything is in the cache.");
    return;
  }
  say(fmt::format("{} file{} of {} to download{}", files.size(), files.size() == 1 ? "" : "s",
                  bytes_text(total_),
                  kept_ > 0 ? fmt::format("; {} are there already", bytes_text(kept_)) : ""));
}

void PullProgress::advance(const std::string& file, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto add = [bytes](uint64_t& count) {
    const int64_t sum = static_cast<int64_t>(count) + bytes;
    count = static_cast<uint64_t>(std::max<int64_t>(0, sum));
  };
  File& row = files_[file];
  row.active = true;
  add(row.done);
  add(done_);
  if (terminal_) {
    if (clock_.seconds() - drawn_at_seconds_ > kRedrawSeconds) draw();
    return;
  }
  const uint64_t tenths = static_cast<uint64_t>(percent(done_, total_)) / 10;
  if (tenths <= tenths_ || total_ == 0) return;
  tenths_ = tenths;
  say(fmt::format("{:3} %: {}", std::min<uint64_t>(tenths, 10) * 10, status()));
}

void PullProgress::finished(const std::string& file, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  files_[file].active = false;
  say(fmt::format("{}: {}, checked", file, bytes_text(bytes)));
}

void PullProgress::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  say(text);
}

void PullProgress::end() {
  const std::lock_guard lock(mutex_);
  if (!quiet_ && terminal_) fmt::print(stderr, "\r\x1b[K");
}

void PullProgress::say(const std::string& line) {
  if (quiet_) return;
  fmt::print(stderr, "{}{}\n", terminal_ ? "\r\x1b[K" : "", line);
}

/// "4.1 GB of 8.2 GB, 110.0 MB/s, 37 s left"
std::string PullProgress::status() const {
  const double seconds = clock_.seconds();
  const uint64_t fetched = done_ - std::min(done_, kept_);
  const double rate = seconds > 0 ? static_cast<double>(fetched) / seconds : 0;
  std::string text = fmt::format("{} of {}, {}/s", bytes_text(done_), bytes_text(total_),
                                 bytes_text(static_cast<uint64_t>(rate)));
  if (rate > 0) {
    text += fmt::format(", {:.0f} s left",
                        static_cast<double>(total_ - std::min(done_, total_)) / rate);
  }
  return text;
}

void PullProgress::draw() {
  if (quiet_) return;
  drawn_at_seconds_ = clock_.seconds();
  const int filled = std::min(kBarWidth, percent(done_, total_) * kBarWidth / 100);
  std::string names;
  size_t active = 0;
  for (const auto& [name, file] : files_) {
    if (!file.active || file.done >= file.bytes) continue;
    if (++active <= kMaxNamedFiles) {
      names += fmt::format(", {} {} %", name, percent(file.done, file.bytes));
    }
  }
  if (active > kMaxNamedFiles) names += fmt::format(", {} more", active - kMaxNamedFiles);
  // Without the terminal's own line break, the line could not be overwritten.
  fmt::print(stderr, "\r\x1b[?7l[{:#<{}}{:-<{}}] {}{}\x1b[K\x1b[?7h", "", filled, "",
             kBarWidth - filled, status(), names);
  std::fflush(stderr);
}

}  // namespace hearth
