#include "os/file_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "os/descriptor.h"
#include "os/parallel_for.h"

namespace hearth {
namespace {

constexpr uint64_t kChunkBytes = uint64_t{4} << 20;
constexpr unsigned kRingDepth = 16;   // chunks under way at once
constexpr size_t kDirectThreads = 8;  // they wait for the disk, not for a processor
constexpr int kCacheSamples = 256;    // pages of a range that cached_share looks at
constexpr auto kProgressInterval = std::chrono::milliseconds(100);

uint64_t aligned(uint64_t bytes) {
  return (bytes + kReadAlignment - 1) / kReadAlignment * kReadAlignment;
}

/// One read: part of a range.
struct Chunk {
  size_t range = 0;
  uint64_t begin = 0;  // within the range
  uint64_t bytes = 0;
};

[[noreturn]] void fail(const std::filesystem::path& file, uint64_t offset, std::string expected,
                       std::string found) {
  throw LoadError({.file = file,
                   .where = fmt::format("offset {}", offset),
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = "Check the disk, and that the file is complete."});
}

/// The open files of a call, cut into chunks.
class ReadPlan {
 public:
  ReadPlan(std::span<const FileRange> ranges, bool direct) : ranges_(ranges) {
    for (size_t i = 0; i < ranges.size(); ++i) {
      const char* path = ranges[i].file.c_str();
      buffered_.emplace_back(::open(path, O_RDONLY | O_CLOEXEC));
      if (buffered_.back().get() < 0) {
        fail(ranges[i].file, ranges[i].offset, "a readable file", std::strerror(errno));
      }
      direct_.emplace_back(direct ? ::open(path, O_RDONLY | O_CLOEXEC | O_DIRECT) : -1);
      direct_works_ = direct_works_ && direct_.back().get() >= 0;
      for (uint64_t begin = 0; begin < ranges[i].bytes; begin += kChunkBytes) {
        chunks_.push_back({i, begin, std::min(kChunkBytes, ranges[i].bytes - begin)});
      }
    }
  }

  const std::vector<Chunk>& chunks() const { return chunks_; }
  bool direct_works() const { return direct_works_; }

  int direct_file(const Chunk& chunk) const { return direct_[chunk.range].get(); }
  uint64_t offset(const Chunk& chunk) const { return ranges_[chunk.range].offset + chunk.begin; }
  std::byte* target(const Chunk& chunk) const { return ranges_[chunk.range].target + chunk.begin; }

  /// The rest of a chunk of which `done` bytes are there, through the page cache: whatever made a
  /// direct read stop early, this either gets the bytes or learns why there are none.
  void finish(const Chunk& chunk, uint64_t done) const {
    const FileRange& range = ranges_[chunk.range];
    while (done < chunk.bytes) {
      const uint64_t at = offset(chunk) + done;
      const ssize_t got = ::pread(buffered_[chunk.range].get(), target(chunk) + done,
                                  chunk.bytes - done, static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      const std::string expected = fmt::format("{} more bytes", chunk.bytes - done);
      if (got < 0) fail(range.file, at, expected, std::strerror(errno));
      if (got == 0) fail(range.file, at, expected, "the end of the file");
      done += static_cast<uint64_t>(got);
    }
  }

  void read_direct(const Chunk& chunk) const {
    const ssize_t got = ::pread(direct_file(chunk), target(chunk), aligned(chunk.bytes),
                                static_cast<off_t>(offset(chunk)));
    finish(chunk, got < 0 ? 0 : std::min(static_cast<uint64_t>(got), chunk.bytes));
  }

 private:
  std::span<const FileRange> ranges_;
  std::vector<Descriptor> buffered_;  // one of each for a range
  std::vector<Descriptor> direct_;
  std::vector<Chunk> chunks_;
  bool direct_works_ = true;
};

/// A ring with up to kRingDepth chunks under way.
class RingReader {
 public:
  RingReader() : ready_(io_uring_queue_init(kRingDepth, &ring_, 0) == 0) {}
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader() {
    if (ready_) io_uring_queue_exit(&ring_);
  }

  bool ready() const { return ready_; }

  void read(const ReadPlan& plan, const std::function<void(uint64_t)>& progress) {
    const std::vector<Chunk>& chunks = plan.chunks();
    size_t next = 0;
    uint64_t done = 0;
    std::exception_ptr error;
    unsigned under_way = 0;
    Stopwatch since_progress;
    while (under_way > 0 || (next < chunks.size() && !error)) {
      for (; next < chunks.size() && under_way < kRingDepth && !error; ++next, ++under_way) {
        submit(plan, chunks[next], next);
      }
      io_uring_submit_and_wait(&ring_, 1);  // interrupted: the loop comes back
      io_uring_cqe* completion = nullptr;
      while (io_uring_peek_cqe(&ring_, &completion) == 0) {
        const Chunk& chunk = chunks[io_uring_cqe_get_data64(completion)];
        const int got = completion->res;
        io_uring_cqe_seen(&ring_, completion);
        --under_way;
        try {
          plan.finish(chunk, got < 0 ? 0 : std::min(static_cast<uint64_t>(got), chunk.bytes));
        } catch (...) {
          if (!error) error = std::current_exception();  // after what is under way has come back
        }
        done += chunk.bytes;
      }
      if (since_progress.seconds() < 0.1) continue;
      progress(done);
      since_progress.restart();
    }
    if (error) std::rethrow_exception(error);
  }

 private:
  void submit(const ReadPlan& plan, const Chunk& chunk, size_t index) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    io_uring_prep_read(entry, plan.direct_file(chunk), plan.target(chunk),
                       static_cast<unsigned>(aligned(chunk.bytes)), plan.offset(chunk));
    io_uring_sqe_set_data64(entry, index);
  }

  io_uring ring_{};
  bool ready_;
};

/// Chunks by several threads, while this one reports progress.
void read_with_threads(const ReadPlan& plan, bool direct,
                       const std::function<void(uint64_t)>& progress) {
  std::atomic<uint64_t> done = 0;
  std::mutex mutex;
  std::condition_variable ended;
  bool over = false;         // guarded by mutex
  std::exception_ptr error;  // guarded by mutex
  std::jthread reader([&] {
    std::exception_ptr failure;
    try {
      parallel_for(
          plan.chunks().size(),
          [&](size_t i) {
            const Chunk& chunk = plan.chunks()[i];
            if (direct) plan.read_direct(chunk);
            else plan.finish(chunk, 0);
            done.fetch_add(chunk.bytes, std::memory_order_relaxed);
          },
          direct ? kDirectThreads : 0);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    error = failure;
    over = true;
    ended.notify_one();
  });
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, kProgressInterval, [&] { return over; })) {
    progress(done.load(std::memory_order_relaxed));
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace

std::string_view read_method_name(ReadMethod method) {
  switch (method) {
    case ReadMethod::kIoUring: return "io_uring, direct";
    case ReadMethod::kDirect: return "pread, direct";
    case ReadMethod::kBuffered: return "page cache";
  }
  return "";
}

ReadReport read_ranges(std::span<const FileRange> ranges, std::optional<ReadMethod> method,
                       const std::function<void(uint64_t done)>& progress) {
  const Stopwatch clock;
  ReadReport report{.method = method.value_or(ReadMethod::kIoUring)};
  for (const FileRange& range : ranges) report.bytes += range.bytes;
  const ReadPlan plan(ranges, report.method != ReadMethod::kBuffered);
  if (!plan.direct_works()) report.method = ReadMethod::kBuffered;
  if (report.method == ReadMethod::kIoUring) {
    RingReader ring;
    if (ring.ready()) ring.read(plan, progress);
    else report.method = ReadMethod::kDirect;
  }
  if (report.method != ReadMethod::kIoUring) {
    read_with_threads(plan, report.method == ReadMethod::kDirect, progress);
  }
  progress(report.bytes);
  report.seconds = clock.seconds();
  return report;
}

double cached_share(std::span<const FileRange> ranges) {
  uint64_t total = 0;
  double cached = 0;
  for (const FileRange& range : ranges) {
    total += range.bytes;
    const Descriptor file(::open(range.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) continue;
    int hits = 0;
    for (int i = 0; i < kCacheSamples; ++i) {
      // A read that must not wait fails where the page is not in memory.
      std::byte byte;
      iovec place{&byte, 1};
      const uint64_t at = range.offset + range.bytes / kCacheSamples * static_cast<uint64_t>(i);
      hits += ::preadv2(file.get(), &place, 1, static_cast<off_t>(at), RWF_NOWAIT) == 1;
    }
    cached += static_cast<double>(range.bytes) * hits / kCacheSamples;
  }
  return total > 0 ? cached / static_cast<double>(total) : 1.0;
}

}  // namespace hearth
