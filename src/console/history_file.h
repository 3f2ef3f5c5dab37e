// What a person typed in earlier sessions.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

struct history;

namespace hearth {

/// `hearth/history` below the folder for state (XDG_STATE_HOME, else ~/.local/state). Empty if the
/// home is not known either: no history then. Relative values of XDG_STATE_HOME do not count, by
/// its specification.
std::filesystem::path history_path(std::string_view xdg_state_home, std::string_view home);

/// Entries in memory, of which the newest are kept in a file that only its owner reads. The file
/// and its folder are made with the first entry.
class InputHistory {
 public:
  /// An empty path: nothing is read or written.
  InputHistory(std::filesystem::path file, int limit);
  ~InputHistory();
  InputHistory(const InputHistory&) = delete;
  InputHistory& operator=(const InputHistory&) = delete;

  /// Also writes the file, together with what other sessions have added to it.
  void add(const std::string& entry);

  /// Why the file is not kept; empty if all is well. What is typed is never lost over this.
  const std::string& problem() const { return problem_; }
  /// For libedit.
  struct history* entries() {
    return entries_;
  }

 private:
  void save(const std::string& entry);

  std::filesystem::path file_;
  int limit_;
  struct history* entries_;
  std::string problem_;
};

}  // namespace hearth
