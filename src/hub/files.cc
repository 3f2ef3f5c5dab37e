#include "hub/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

/// A name beside the path that no other process uses.
fs::path name_beside(const fs::path& path) {
  return path.string() + fmt::format(".{}.tmp", ::getpid());
}

}  // namespace

void throw_file_error(const fs::path& path, const char* what, int error) {
  const std::string advice =
      error == ENOSPC || error == EDQUOT
          ? " Make room; what is there is kept, and the same command resumes."
          : "";
  throw Error(ExitCode::kFailure, fmt::format("{}: cannot be {}: {}.{}", path.string(), what,
                                              std::generic_category().message(error), advice));
}

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_file_error(path, "made", error.value());
}

void sync_folder(const fs::path& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) throw_file_error(path, "opened", errno);
  // Some file systems do not know this and say so; there is nothing else to be done.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) throw_file_error(path, "written", errno);
}

void replace_file(const fs::path& path, std::string_view content) {
  make_folders(path.parent_path());
  const fs::path temporary = name_beside(path);
  const Descriptor file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (file.get() < 0) throw_file_error(temporary, "made", errno);
  const ssize_t written = ::write(file.get(), content.data(), content.size());
  if (written != static_cast<ssize_t>(content.size()) || ::fsync(file.get()) != 0) {
    throw_file_error(temporary, "written", written < 0 ? errno : ENOSPC);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw_file_error(path, "replaced", errno);
  sync_folder(path.parent_path());
}

void replace_link(const fs::path& path, const fs::path& target) {
  make_folders(path.parent_path());
  const fs::path temporary = name_beside(path);
  ::unlink(temporary.c_str());  // of a process that was killed and had this number
  if (::symlink(target.c_str(), temporary.c_str()) != 0) throw_file_error(path, "linked", errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw_file_error(path, "replaced", errno);
  sync_folder(path.parent_path());
}

FileLock FileLock::try_acquire(const fs::path& path) {
  make_folders(path.parent_path());
  FileLock lock;
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664));
  if (file.get() < 0) throw_file_error(path, "made", errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK || errno == EINTR) return lock;
    throw_file_error(path, "locked", errno);
  }
  // Whoever held it before may have removed the file: then this one is known to nobody.
  struct stat mine {};
  struct stat named {};
  if (::fstat(file.get(), &mine) != 0 || ::stat(path.c_str(), &named) != 0 ||
      mine.st_ino != named.st_ino || mine.st_dev != named.st_dev) {
    return lock;
  }
  lock.file_ = std::move(file);
  return lock;
}

}  // namespace hearth
