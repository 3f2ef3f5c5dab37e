// Files into memory at the speed of the disk: many large reads at once, past the page cache where
// the file system lets programs do that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace hearth {

/// What direct reads must be aligned to: place in the file, length and target.
inline constexpr uint64_t kReadAlignment = 4096;

/// Bytes [offset, offset + bytes) of a file and where they go. Offset and target are multiples of
/// kReadAlignment, and the target has room for `bytes` rounded up to it.
struct FileRange {
  std::filesystem::path file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::byte* target = nullptr;
};

enum class ReadMethod : uint8_t {
  kIoUring,   // direct, through io_uring; containers often forbid it
  kDirect,    // direct, by several threads
  kBuffered,  // through the page cache, by several threads
};

/// "io_uring, direct", "pread, direct", "page cache".
std::string_view read_method_name(ReadMethod method);

struct ReadReport {
  ReadMethod method = ReadMethod::kBuffered;  // that was in fact used
  uint64_t bytes = 0;
  double seconds = 0;
};

/// Reads every range whole, by the method or, where it does not work, by the next one in the order
/// above. Without a method: the first. Direct reads leave the page cache as it is, so that the
/// bytes are not in memory twice.
/// `progress` is called now and then, with the bytes read so far, on the calling thread.
/// Throws LoadError naming the file and the offset when a file ends early or cannot be read.
ReadReport read_ranges(std::span<const FileRange> ranges, std::optional<ReadMethod> method,
                       const std::function<void(uint64_t done)>& progress);

/// The share of the ranges that is in the page cache, from samples; reads nothing from disk.
double cached_share(std::span<const FileRange> ranges);

}  // namespace hearth
