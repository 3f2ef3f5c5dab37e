#include "console/history_file.h"

#include <fmt/format.h>
#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/check.h"

namespace hearth {
namespace {

History* new_entries(int limit) {
  History* const entries = history_init();
  CHECK(entries != nullptr);
  HistEvent event;
  ::history(entries, &event, H_SETSIZE, limit);
  ::history(entries, &event, H_SETUNIQUE, 1);
  return entries;
}

/// Whether there is no file yet, or one that libedit wrote.
bool load(History* entries, const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored) || std::filesystem::is_empty(file, ignored)) {
    return true;
  }
  HistEvent event;
  return ::history(entries, &event, H_LOAD, file.c_str()) >= 0;
}

}  // namespace

std::filesystem::path history_path(std::string_view xdg_state_home, std::string_view home) {
  if (xdg_state_home.starts_with('/')) {
    return std::filesystem::path(xdg_state_home) / "hearth" / "history";
  }
  if (home.empty()) return {};
  return std::filesystem::path(home) / ".local" / "state" / "hearth" / "history";
}

InputHistory::InputHistory(std::filesystem::path file, int limit)
    : file_(std::move(file)), limit_(limit), entries_(new_entries(limit)) {
  if (file_.empty() || load(entries_, file_)) return;
  problem_ = fmt::format(
      "{}: not a history that hearth can read; it is left alone, and nothing is added to it. Move "
      "it away to begin a new one.",
      file_.string());
}

InputHistory::~InputHistory() { history_end(entries_); }

void InputHistory::add(const std::string& entry) {
  HistEvent event;
  ::history(entries_, &event, H_ENTER, entry.c_str());
  if (!file_.empty() && problem_.empty()) save(entry);
}

/// Another session may have written since: its entries are read first. The file is replaced as a
/// whole, so it is never half of one.
void InputHistory::save(const std::string& entry) {
  std::error_code error;
  const std::filesystem::path folder = file_.parent_path();
  if (std::filesystem::create_directories(folder, error)) ::chmod(folder.c_str(), 0700);
  History* const all = new_entries(limit_);
  const bool is_ours = load(all, file_);
  HistEvent event;
  ::history(all, &event, H_ENTER, entry.c_str());
  const std::filesystem::path written = fmt::format("{}.{}", file_.string(), getpid());
  errno = 0;
  // libedit gives the file the mode 0600 before it writes.
  bool is_saved = is_ours && ::history(all, &event, H_SAVE, written.c_str()) >= 0 &&
                  ::rename(written.c_str(), file_.c_str()) == 0;
  if (!is_saved) {
    problem_ = fmt::format(
        "{}: the history cannot be written ({}). What to do: make {} writable, "
        "or use --no-history.",
        file_.string(), errno != 0 ? std::strerror(errno) : "the file is not a history",
        folder.string());
    ::unlink(written.c_str());
  }
  history_end(all);
}

}  // namespace hearth
