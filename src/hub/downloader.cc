#include "hub/downloader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "checkpoint/printable.h"
#include "hub/blob_file.h"
#include "hub/files.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoEnd = UINT64_MAX;
constexpr int kMaxRestarts = 1;  // of a file whose bytes did not match
constexpr auto kLockPoll = std::chrono::milliseconds(100);

/// Whether a server serves parts of a file; unknown until it has answered once.
enum class Ranges { kUnknown, kYes, kNo };

/// A file on its way. What the mutex of the Downloads guards is marked (m).
struct Transfer {
  Transfer(BlobJob wanted, FileLock held)
      : job(std::move(wanted)),
        lock(std::move(held)),
        file(job.blob, job.source.file.digest, job.source.file.size) {}

  BlobJob job;
  FileLock lock;
  BlobFile file;
  std::deque<ByteRange> missing;     // (m) that nobody fetches yet
  int active = 0;                    // (m) workers at it
  int restarts = 0;                  // (m)
  bool finishing = false;            // (m)
  Ranges ranges = Ranges::kUnknown;  // (m)
  std::string location;              // (m) where the bytes are
};

/// A range of a transfer, for one worker; kNoEnd when the size is not known.
struct Task {
  Transfer* transfer = nullptr;
  ByteRange range;
};

/// "bytes 0-99/1000" → the range and the size
struct ContentRange {
  ByteRange range;
  uint64_t size = 0;
};

std::optional<ContentRange> parse_content_range(const std::string& text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return {};
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t size = 0;
  const char* const end = text.data() + text.size();
  const auto number = [&](const char* at, uint64_t& value, char delimiter) -> const char* {
    if (!at) return nullptr;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) return nullptr;
    if (delimiter == '\0') return next == end ? end : nullptr;
    return next != end && *next == delimiter ? next + 1 : nullptr;
  };
  const char* at = number(text.data() + kUnit.size(), first, '-');
  at = number(at, last, '/');
  at = number(at, size, '\0');
  if (!at || last < first || last >= size) return {};
  return ContentRange{{first, last + 1}, size};
}

class Downloads {
 public:
  Downloads(const HubSettings& settings, const ModelRef& ref, const DownloadOptions& options,
            PullObserver& observer, const StopCheck& stop)
      : settings_(settings), ref_(ref), options_(options), observer_(observer), stop_([this, stop] {
          return failed_.load() || (stop && stop());
        }) {}

  void run(std::vector<BlobJob> jobs);

 private:
  void work();
  std::optional<Task> next_task();
  void open_transfers();
  std::optional<Task> take_range();

  void fetch(HttpClient& client, const Task& task);
  void finish(Transfer& transfer, uint64_t size);
  void close(Transfer& transfer);

  friend class RangeFetch;

  const HubSettings& settings_;
  const ModelRef& ref_;
  const DownloadOptions& options_;
  PullObserver& observer_;
  StopCheck stop_;
  std::atomic<bool> failed_ = false;  // one worker's failure ends the others' requests

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<BlobJob> waiting_;
  std::list<Transfer> open_;
  std::exception_ptr error_;
  bool lock_noted_ = false;
};

/// One range on its way through one connection.
class RangeFetch {
 public:
  RangeFetch(Downloads& all, HttpClient& client, const Task& task)
      : all_(all),
        client_(client),
        transfer_(*task.transfer),
        kept_(task.range.begin),
        position_(task.range.begin),
        end_(task.range.end) {}

  /// Returns the end of the range. Keeps what arrived, also when it throws.
  uint64_t run() {
    Retry retry(all_.options_.retry, all_.stop_);
    while (position_ < end_) {
      const uint64_t before = position_;
      try {
        attempt();
      } catch (const NetworkError& error) {
        keep();
        if (end_ == kNoEnd || restartable_) rewind();
        if (position_ > before) retry.progressed();
        retry.wait_after(error);
      } catch (...) {
        keep();
        throw;
      }
    }
    keep();
    return position_;
  }

 private:
  void attempt();
  void accept(const TransferResponse& response);
  void accept_part(const TransferResponse& response);
  void accept_whole(const TransferResponse& response);
  void take(std::span<const std::byte> bytes);
  void keep();
  void rewind();
  [[noreturn]] void refuse(const std::string& what, bool retryable) const {
    throw NetworkError(transfer_.job.source.file.path + ": " + what, retryable);
  }

  Downloads& all_;
  HttpClient& client_;
  Transfer& transfer_;
  uint64_t kept_;      // the journal has what is before
  uint64_t position_;  // of the next byte
  uint64_t end_;
  bool restartable_ = false;  // the server has no ranges: what was cut off begins again
};

void RangeFetch::attempt() {
  const auto size = transfer_.job.source.file.size;
  TransferRequest request;
  bool elsewhere = false;
  {
    const std::lock_guard lock(all_.mutex_);
    elsewhere = !transfer_.location.empty();
    request.url = elsewhere ? transfer_.location : transfer_.job.source.url;
  }
  if (end_ != kNoEnd && !restartable_ && !(position_ == 0 && end_ == *size)) {
    request.range = ByteRange{position_, end_};
  }
  const BodySink sink = {.begin = [this](const TransferResponse& response) { accept(response); },
                         .write = [this](std::span<const std::byte> bytes) { take(bytes); }};
  const TransferResponse response = client_.follow(std::move(request), sink);
  if (response.status == 200 || response.status == 206) {
    if (end_ == kNoEnd) {
      end_ = position_;  // the connection ended; the checksum tells whether too early
    } else if (position_ < end_) {
      refuse("the connection ended early.", true);
    }
    return;
  }
  if (elsewhere && response.status >= 400 && response.status < 500 && response.status != 429) {
    // Addresses of storage hosts are signed for a time only: the Hub gives a new one.
    const std::lock_guard lock(all_.mutex_);
    transfer_.location.clear();
    throw NetworkError(fmt::format("{}: {} answered {}.", transfer_.job.source.file.path,
                                   origin_of(response.url), response.status),
                       true);
  }
  throw_refusal(response, transfer_.job.source.file.path, all_.ref_, all_.settings_);
}

void RangeFetch::accept(const TransferResponse& response) {
  if (response.status == 206) {
    accept_part(response);
  } else {
    accept_whole(response);
  }
  if (origin_of(response.url) != origin_of(all_.settings_.endpoint)) {
    const std::lock_guard lock(all_.mutex_);
    transfer_.location = response.url;
  } else if (const std::string digest = digest_of(response);
             !digest.empty() && digest != transfer_.job.source.file.digest) {
    refuse("it changed during the download. Run the command again.", false);
  }
}

void RangeFetch::accept_part(const TransferResponse& response) {
  const auto part = parse_content_range(response.header("content-range"));
  if (!part || part->range.begin != position_ || part->range.end > end_ ||
      part->size != transfer_.job.source.file.size) {
    refuse(fmt::format("asked for bytes {}-{} of {}, got {}.", position_, end_ - 1,
                       transfer_.job.source.file.size.value_or(0),
                       printable(response.header("content-range"))),
           true);
  }
  const std::lock_guard lock(all_.mutex_);
  transfer_.ranges = Ranges::kYes;
  all_.changed_.notify_all();
}

/// The whole file, though a part may have been asked for: then this worker takes it all.
void RangeFetch::accept_whole(const TransferResponse& response) {
  const auto size = transfer_.job.source.file.size;
  const auto length = response.number("content-length");
  if (size && length && *length != *size) {
    refuse(fmt::format("{} bytes, but the Hub's listing has {}.", *length, *size), false);
  }
  if (position_ == 0 && (end_ == kNoEnd || end_ == *size)) return;
  const std::lock_guard lock(all_.mutex_);
  if (transfer_.ranges == Ranges::kYes) refuse("parts were served before, now the whole.", true);
  transfer_.ranges = Ranges::kNo;
  transfer_.missing.clear();
  all_.observer_.advance(transfer_.job.source.file.path,
                         -static_cast<int64_t>(transfer_.file.present_bytes()));
  restartable_ = true;
  kept_ = position_ = 0;
  end_ = *size;
}

void RangeFetch::take(std::span<const std::byte> bytes) {
  if (bytes.size() > end_ - position_) refuse("more bytes came than it has.", false);
  transfer_.file.write(position_, bytes);
  position_ += bytes.size();
  all_.observer_.advance(transfer_.job.source.file.path, static_cast<int64_t>(bytes.size()));
  if (position_ - kept_ >= std::max<uint64_t>(all_.options_.piece_bytes / 4, 1)) {
    keep();
    transfer_.file.hash_ahead();
  }
}

void RangeFetch::keep() {
  transfer_.file.keep({kept_, position_});
  kept_ = position_;
}

/// Without ranges every attempt begins at the start.
void RangeFetch::rewind() {
  all_.observer_.advance(transfer_.job.source.file.path, -static_cast<int64_t>(position_));
  kept_ = position_ = 0;
}

void Downloads::run(std::vector<BlobJob> jobs) {
  for (BlobJob& job : jobs) waiting_.push_back(std::move(job));
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < options_.connections; ++i) helpers.emplace_back([this] { work(); });
    work();
  }
  if (error_) std::rethrow_exception(error_);
}

void Downloads::work() {
  try {
    HttpSettings http = http_settings(settings_, stop_);
    http.stall_seconds = options_.stall_seconds;
    HttpClient client(http);
    while (const auto task = next_task()) fetch(client, *task);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    failed_ = true;
    changed_.notify_all();
  }
}

std::optional<Task> Downloads::next_task() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (error_) return {};
    if (stop_()) throw CancelledError("Interrupted.");
    if (auto task = take_range()) return task;
    open_transfers();
    if (auto task = take_range()) return task;
    if (open_.empty() && waiting_.empty()) return {};
    changed_.wait_for(lock, kLockPoll);
  }
}

std::optional<Task> Downloads::take_range() {
  for (Transfer& transfer : open_) {
    const bool open_to_all = transfer.ranges == Ranges::kYes || transfer.active == 0;
    if (transfer.missing.empty() || transfer.finishing || !open_to_all) continue;
    const Task task{&transfer, transfer.missing.front()};
    transfer.missing.pop_front();
    ++transfer.active;
    return task;
  }
  return {};
}

/// Opens files that nobody else holds, until each connection could have one of its own.
void Downloads::open_transfers() {
  for (size_t i = waiting_.size();
       i > 0 && open_.size() < static_cast<size_t>(options_.connections); --i) {
    BlobJob job = std::move(waiting_.front());
    waiting_.pop_front();
    std::error_code error;
    FileLock lock = FileLock::try_acquire(job.lock);
    if (!lock) {
      if (!std::exchange(lock_noted_, true)) {
        observer_.note("Another process downloads " + job.source.file.path + "; waiting for it.");
      }
      waiting_.push_back(std::move(job));
      continue;
    }
    if (fs::is_regular_file(job.blob, error)) {  // another process was faster
      observer_.advance(job.source.file.path,
                        static_cast<int64_t>(job.source.file.size.value_or(0)));
      job.on_finished();
      continue;
    }
    make_folders(job.blob.parent_path());
    Transfer& transfer = open_.emplace_back(std::move(job), std::move(lock));
    const HubSource& source = transfer.job.source;
    if (origin_of(source.location) != origin_of(settings_.endpoint)) {
      transfer.location = source.location;
    }
    if (!source.file.size) {
      transfer.ranges = Ranges::kNo;
      transfer.missing = {{0, kNoEnd}};
      continue;
    }
    const auto pieces = transfer.file.missing(options_.piece_bytes);
    transfer.missing.assign(pieces.begin(), pieces.end());
    // All may be there already, when only the last step was cut off.
    if (pieces.empty()) transfer.missing = {{*source.file.size, *source.file.size}};
  }
}

void Downloads::fetch(HttpClient& client, const Task& task) {
  Transfer& transfer = *task.transfer;
  const uint64_t end = RangeFetch(*this, client, task).run();
  transfer.file.hash_ahead();
  {
    const std::lock_guard lock(mutex_);
    --transfer.active;
    if (transfer.active > 0 || !transfer.missing.empty()) {
      changed_.notify_all();
      return;
    }
    transfer.finishing = true;
  }
  finish(transfer, transfer.job.source.file.size.value_or(end));
}

void Downloads::finish(Transfer& transfer, uint64_t size) {
  const std::string& name = transfer.job.source.file.path;
  if (transfer.file.matches(size)) {
    transfer.file.publish();
    transfer.job.on_finished();
    observer_.finished(name, size);
    close(transfer);
    return;
  }
  transfer.file.restart();
  observer_.advance(name, -static_cast<int64_t>(size));
  if (transfer.restarts >= kMaxRestarts) {
    throw NetworkError(fmt::format(
        "{}: the bytes that {} sends do not have the checksum {}, twice "
        "in a row. Nothing of them is kept.",
        name, origin_of(transfer.job.source.location), transfer.job.source.file.digest));
  }
  observer_.note(name + " does not have its checksum; downloading it again.");
  const std::lock_guard lock(mutex_);
  ++transfer.restarts;
  transfer.finishing = false;
  transfer.ranges = transfer.job.source.file.size ? Ranges::kUnknown : Ranges::kNo;
  transfer.missing = {{0, kNoEnd}};
  if (transfer.job.source.file.size) {
    const auto pieces = transfer.file.missing(options_.piece_bytes);
    transfer.missing.assign(pieces.begin(), pieces.end());
  }
  changed_.notify_all();
}

void Downloads::close(Transfer& transfer) {
  const std::lock_guard lock(mutex_);
  open_.remove_if([&](const Transfer& other) { return &other == &transfer; });
  changed_.notify_all();
}

}  // namespace

void download(const HubSettings& settings, const ModelRef& ref, const DownloadOptions& options,
              std::vector<BlobJob> jobs, PullObserver& observer, const StopCheck& stop) {
  Downloads(settings, ref, options, observer, stop).run(std::move(jobs));
}

}  // namespace hearth
