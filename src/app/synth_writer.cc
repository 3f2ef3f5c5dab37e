#include "app/synth_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "app/synth_tokenizer.h"
#include "base/error.h"
#include "os/parallel_for.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

// Large enough for few system calls, small enough to stay in the cache until written.
constexpr uint64_t kPieceBytes = 4 << 20;

[[noreturn]] void throw_io(const fs::path& path, const char* what, int error) {
  throw Error(ExitCode::kFailure, fmt::format("{}: {}: {}.", path.string(), what,
                                              std::generic_category().message(error)));
}

/// A new file, written at positions by several threads.
class OutputFile {
 public:
  OutputFile(fs::path path, uint64_t bytes)
      : path_(std::move(path)),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
    if (fd_ < 0) throw_io(path_, "cannot be created", errno);
    // Asking for the room at once finds a full disk now instead of after minutes. Not every file
    // system can; those just grow the file.
    if (::fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0 && errno == ENOSPC) {
      throw_io(path_, "cannot be extended", errno);
    }
  }
  OutputFile(OutputFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  void write(uint64_t position, std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(position));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) throw_io(path_, "cannot be written", count < 0 ? errno : EIO);
      bytes = bytes.subspan(static_cast<size_t>(count));
      position += static_cast<uint64_t>(count);
    }
  }

 private:
  fs::path path_;
  int fd_;
};

/// A range of a shard's data: whole tensors, or a part of one large tensor.
struct Piece {
  size_t shard = 0;
  size_t first = 0;  // tensors [first, last)
  size_t last = 0;
  uint64_t begin = 0;  // bytes of the data section
  uint64_t end = 0;
};

std::vector<Piece> cut_into_pieces(const SynthPlan& plan) {
  std::vector<Piece> pieces;
  for (size_t shard = 0; shard < plan.shards.size(); ++shard) {
    const std::vector<SafetensorsEntry>& entries = plan.shards[shard].entries;
    for (size_t i = 0; i < entries.size(); ++i) {
      const SafetensorsEntry& entry = entries[i];
      const bool joins = !pieces.empty() && pieces.back().shard == shard &&
                         entry.end - pieces.back().begin <= kPieceBytes;
      if (joins) {
        pieces.back().last = i + 1;
        pieces.back().end = entry.end;
        continue;
      }
      for (uint64_t at = entry.begin; at < entry.end; at += kPieceBytes) {
        pieces.push_back({shard, i, i + 1, at, std::min(at + kPieceBytes, entry.end)});
      }
    }
  }
  return pieces;
}

void fill_piece(const SynthShard& shard, const Piece& piece, uint64_t seed,
                std::span<std::byte> out) {
  for (size_t i = piece.first; i < piece.last; ++i) {
    const SafetensorsEntry& entry = shard.entries[i];
    const uint64_t begin = std::max(entry.begin, piece.begin);
    const uint64_t end = std::min(entry.end, piece.end);
    fill_bytes(shard.fills[i], tensor_seed(seed, entry.name), begin - entry.begin,
               out.subspan(begin - piece.begin, end - begin));
  }
}

void write_text(const fs::path& path, const std::string& text) {
  const OutputFile file(path, text.size());
  file.write(0, std::as_bytes(std::span(text)));
}

void write_shards(const SynthPlan& plan, uint64_t seed, const fs::path& folder,
                  const SynthProgress& progress) {
  std::vector<OutputFile> files;
  std::vector<uint64_t> data_offsets;
  for (const SynthShard& shard : plan.shards) {
    const std::string preamble = safetensors_preamble(shard.entries);
    files.emplace_back(folder / shard.file, preamble.size() + shard.data_bytes);
    files.back().write(0, std::as_bytes(std::span(preamble)));
    data_offsets.push_back(preamble.size());
  }
  const std::vector<Piece> pieces = cut_into_pieces(plan);
  std::atomic<uint64_t> done = 0;
  std::mutex mutex;
  parallel_for(pieces.size(), [&](size_t i) {
    const Piece& piece = pieces[i];
    thread_local std::vector<std::byte> buffer;
    buffer.resize(kPieceBytes);
    const std::span<std::byte> bytes(buffer.data(), piece.end - piece.begin);
    fill_piece(plan.shards[piece.shard], piece, seed, bytes);
    files[piece.shard].write(data_offsets[piece.shard] + piece.begin, bytes);
    done += bytes.size();
    if (const std::unique_lock lock(mutex, std::try_to_lock); lock) progress(done);
  });
  progress(done);
}

}  // namespace

void check_synth_target(const SynthPlan& plan, const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && (!fs::is_directory(folder) || !fs::is_empty(folder))) {
    throw UsageError(fmt::format(
        "{}: exists and is not an empty folder. hearth synth does not overwrite: give a new name.",
        folder.string()));
  }
  fs::path existing = fs::absolute(folder);
  while (!fs::exists(existing, error) && existing.has_relative_path()) {
    existing = existing.parent_path();
  }
  // Headers, index and tokenizer take about 150 bytes a tensor and 20 MB.
  const SynthTotals main = plan.totals(false);
  const SynthTotals extra = plan.totals(true);
  const uint64_t needed =
      main.bytes + extra.bytes + 300 * (main.tensors + extra.tensors) + 20'000'000;
  const fs::space_info space = fs::space(existing, error);
  if (!error && space.available < needed) {
    throw Error(ExitCode::kFailure,
                fmt::format("{}: needs {:.1f} GB, but its disk has {:.1f} GB free. Free some, "
                            "choose another disk, or write fewer layers with --layers.",
                            folder.string(), static_cast<double>(needed) / 1e9,
                            static_cast<double>(space.available) / 1e9));
  }
}

void write_checkpoint(const SynthModel& model, const SynthPlan& plan, uint64_t seed,
                      const fs::path& folder, const SynthProgress& progress) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_io(folder, "cannot be created", error.value());
  write_shards(plan, seed, folder, progress);
  write_text(folder / "model.safetensors.index.json", index_json(plan).dump(2));
  write_text(folder / "tokenizer.json", stub_tokenizer_json(model.config));
  write_text(folder / "tokenizer_config.json", stub_tokenizer_config_json(model.config));
  write_text(folder / "generation_config.json", generation_config_json(model).dump(2));
  write_text(folder / "config.json", config_json(model).dump(2));
}

}  // namespace hearth
