// Changes to a folder that survive a crash: what is there is whole, whenever the power fails.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "os/descriptor.h"

namespace hearth {

/// Throws Error: "PATH: cannot be WHAT: REASON."
[[noreturn]] void throw_file_error(const std::filesystem::path& path, const char* what, int error);

/// Makes a folder and those above it. Throws Error.
void make_folders(const std::filesystem::path& path);

/// Writes a folder's entries to the disk. Throws Error.
void sync_folder(const std::filesystem::path& path);

/// Puts a small file in place at once, whole and on disk. Throws Error.
void replace_file(const std::filesystem::path& path, std::string_view content);

/// Puts a symbolic link in place at once, over whatever link was there. Throws Error.
void replace_link(const std::filesystem::path& path, const std::filesystem::path& target);

/// A lock that other programs with the cache use as well (flock), held until the end of the object
/// or of the process.
class FileLock {
 public:
  /// Nothing when somebody else holds it. Throws Error when the file cannot be made.
  static FileLock try_acquire(const std::filesystem::path& path);
  explicit operator bool() const { return file_.get() >= 0; }

 private:
  Descriptor file_;
};

}  // namespace hearth
