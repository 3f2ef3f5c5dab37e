#include "os/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "os/descriptor.h"

namespace hearth {
namespace {

[[noreturn]] void throw_errno(int error, const char* what, const std::filesystem::path& path) {
  throw std::system_error(error, std::generic_category(), what + (" " + path.string()));
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO by mistake must fail below, not wait for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) throw_errno(errno, "cannot open", path);

  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_errno(errno, "cannot stat", path);
  if (S_ISDIR(status.st_mode)) throw_errno(EISDIR, "cannot map", path);
  if (!S_ISREG(status.st_mode)) throw_errno(ENODEV, "cannot map", path);
  if (status.st_size == 0) return;  // mmap refuses a length of zero

  const size_t size = static_cast<size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) throw_errno(errno, "cannot map", path);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace hearth
