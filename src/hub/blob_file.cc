#include "hub/blob_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "hub/files.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHashBytes = 1u << 20;  // read at a time

fs::path data_path(const fs::path& blob) { return blob.string() + ".hearth.incomplete"; }
fs::path journal_path(const fs::path& blob) { return blob.string() + ".hearth.journal"; }

std::string journal_head(uint64_t size) { return fmt::format("hearth 1 {}", size); }

/// Adds a range; ranges that touch become one.
void insert_range(std::map<uint64_t, uint64_t>& ranges, ByteRange range) {
  if (range.begin >= range.end) return;
  auto it = ranges.upper_bound(range.begin);
  if (it != ranges.begin() && std::prev(it)->second >= range.begin) --it;
  while (it != ranges.end() && it->first <= range.end) {
    range.begin = std::min(range.begin, it->first);
    range.end = std::max(range.end, it->second);
    it = ranges.erase(it);
  }
  ranges.emplace(range.begin, range.end);
}

/// Reads a journal as far as its lines are whole and within the size and the file. Another head
/// makes all of it worthless.
std::map<uint64_t, uint64_t> read_journal(const fs::path& blob, uint64_t size) {
  std::map<uint64_t, uint64_t> ranges;
  std::error_code error;
  const uint64_t data_bytes = fs::file_size(data_path(blob), error);
  if (error || data_bytes > size) return ranges;
  std::ifstream file(journal_path(blob), std::ios::binary);
  std::string line;
  if (!std::getline(file, line) || line != journal_head(size)) return ranges;
  while (std::getline(file, line) && !file.eof()) {
    std::istringstream fields(line);
    ByteRange range;
    std::string rest;
    if (!(fields >> range.begin >> range.end) || fields >> rest) break;
    if (range.begin >= range.end || range.end > data_bytes) break;
    insert_range(ranges, range);
  }
  return ranges;
}

uint64_t sum(const std::map<uint64_t, uint64_t>& ranges) {
  uint64_t bytes = 0;
  for (const auto& [begin, end] : ranges) bytes += end - begin;
  return bytes;
}

Descriptor open_file(const fs::path& path, int flags) {
  Descriptor file(::open(path.c_str(), flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (file.get() < 0) throw_file_error(path, "opened", errno);
  return file;
}

void write_all(int file, const fs::path& path, std::string_view text) {
  const ssize_t written = ::write(file, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    throw_file_error(path, "written", written < 0 ? errno : ENOSPC);
  }
}

}  // namespace

BlobFile::BlobFile(const fs::path& blob, std::string digest, std::optional<uint64_t> size)
    : blob_(blob), digest_name_(std::move(digest)), size_(size), buffer_(kHashBytes) {
  CHECK(digest_kind(digest_name_));
  if (size_) {
    present_ = read_journal(blob_, *size_);
    digest_.emplace(*digest_kind(digest_name_), *size_);
  }
  data_ = open_file(data_path(blob_), O_RDWR);
  if (present_.empty() && ::ftruncate(data_.get(), 0) != 0) {
    throw_file_error(data_path(blob_), "emptied", errno);
  }
  open_journal();
}

/// The journal is written anew with what was understood of it: a line cut short by a crash would
/// spoil the one that follows.
void BlobFile::open_journal() {
  if (!size_) return;
  std::string text = journal_head(*size_) + "\n";
  for (const auto& [begin, end] : present_) text += fmt::format("{} {}\n", begin, end);
  replace_file(journal_path(blob_), text);
  journal_ = open_file(journal_path(blob_), O_WRONLY | O_APPEND);
}

std::vector<ByteRange> BlobFile::missing(uint64_t piece_bytes) const {
  CHECK(size_ && piece_bytes > 0);
  const std::lock_guard lock(mutex_);
  std::vector<ByteRange> pieces;
  uint64_t position = 0;
  const auto cut = [&](uint64_t end) {
    for (; position < end; position = pieces.back().end) {
      pieces.push_back({position, std::min(position + piece_bytes, end)});
    }
  };
  for (const auto& [begin, end] : present_) {
    cut(begin);
    position = end;
  }
  cut(*size_);
  return pieces;
}

uint64_t BlobFile::present_bytes() const {
  const std::lock_guard lock(mutex_);
  return sum(present_);
}

void BlobFile::write(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(data_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw_file_error(data_path(blob_), "written", written < 0 ? errno : ENOSPC);
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void BlobFile::keep(ByteRange range) {
  if (range.begin >= range.end || !size_) return;
  if (::fdatasync(data_.get()) != 0) throw_file_error(data_path(blob_), "written", errno);
  const std::lock_guard lock(mutex_);
  write_all(journal_.get(), journal_path(blob_), fmt::format("{} {}\n", range.begin, range.end));
  insert_range(present_, range);
}

void BlobFile::hash_ahead() {
  const std::unique_lock hashing(hash_mutex_, std::try_to_lock);
  if (!hashing || !size_) return;
  uint64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!present_.empty() && present_.begin()->first == 0) end = present_.begin()->second;
  }
  hash_to(end);
}

/// The bytes were written a moment ago, so that they mostly come from the page cache.
void BlobFile::hash_to(uint64_t end) {
  while (hashed_bytes_ < end) {
    const size_t wanted = std::min<uint64_t>(buffer_.size(), end - hashed_bytes_);
    const ssize_t count =
        ::pread(data_.get(), buffer_.data(), wanted, static_cast<off_t>(hashed_bytes_));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw_file_error(data_path(blob_), "read", count < 0 ? errno : EIO);
    digest_->update(std::span(buffer_).first(static_cast<size_t>(count)));
    hashed_bytes_ += static_cast<uint64_t>(count);
  }
}

bool BlobFile::matches(uint64_t size) {
  const std::lock_guard hashing(hash_mutex_);
  if (!size_) digest_.emplace(*digest_kind(digest_name_), size);
  CHECK(digest_);
  hash_to(size);
  const bool same = digest_->hex() == digest_name_;
  digest_.reset();
  hashed_bytes_ = 0;
  struct stat info {};
  return same && ::fstat(data_.get(), &info) == 0 && static_cast<uint64_t>(info.st_size) == size;
}

void BlobFile::publish() {
  if (::fsync(data_.get()) != 0) throw_file_error(data_path(blob_), "written", errno);
  if (::rename(data_path(blob_).c_str(), blob_.c_str()) != 0) {
    throw_file_error(blob_, "put in place", errno);
  }
  sync_folder(blob_.parent_path());
  ::unlink(journal_path(blob_).c_str());
}

void BlobFile::restart() {
  const std::lock_guard hashing(hash_mutex_);
  const std::lock_guard lock(mutex_);
  present_.clear();
  open_journal();  // first: a journal must not speak of bytes that are gone
  if (::ftruncate(data_.get(), 0) != 0) throw_file_error(data_path(blob_), "emptied", errno);
  hashed_bytes_ = 0;
  if (size_) digest_.emplace(*digest_kind(digest_name_), *size_);
}

std::vector<fs::path> BlobFile::companions(const fs::path& blob) {
  return {data_path(blob), journal_path(blob)};
}

uint64_t BlobFile::kept_bytes(const fs::path& blob, uint64_t size) {
  return sum(read_journal(blob, size));
}

std::optional<std::string> digest_of_file(const fs::path& path, const std::string& name,
                                          const std::function<void(uint64_t)>& progress) {
  const auto kind = digest_kind(name);
  if (!kind) return {};
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) throw_file_error(path, "read", errno);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  Digest digest(*kind, static_cast<uint64_t>(info.st_size));
  std::vector<std::byte> buffer(4 * kHashBytes);
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error(path, "read", errno);
    if (count == 0) return digest.hex();
    digest.update(std::span(buffer).first(static_cast<size_t>(count)));
    if (progress) progress(static_cast<uint64_t>(count));
  }
}

}  // namespace hearth
