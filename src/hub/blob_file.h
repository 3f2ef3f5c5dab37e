// A blob on its way into the cache.
//
//   blobs/DIGEST.hearth.incomplete   the bytes that arrived, each where it belongs
//   blobs/DIGEST.hearth.journal      which of them did: "hearth 1 SIZE", then "BEGIN END" lines
//   blobs/DIGEST                     the whole file, renamed once its checksum was seen to match
//
// The names are hearth's own: other programs take the length of DIGEST.incomplete for what is
// there, and hearth's files have holes. A line enters the journal after its bytes are on disk. The
// journal is only believed as far as it saves downloading: the checksum is taken over the bytes in
// the file, those of earlier runs too, and what does not match is thrown away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hub/digest.h"
#include "hub/http.h"
#include "os/descriptor.h"

namespace hearth {

class BlobFile {
 public:
  /// Opens what is there, or begins. Without a size nothing can be resumed. Throws Error.
  BlobFile(const std::filesystem::path& blob, std::string digest, std::optional<uint64_t> size);

  /// What is still to come, cut into ranges of at most `piece_bytes`. Needs a size.
  std::vector<ByteRange> missing(uint64_t piece_bytes) const;
  uint64_t present_bytes() const;

  /// Puts bytes into the file; several threads may. Throws Error.
  void write(uint64_t offset, std::span<const std::byte> bytes);
  /// Brings written bytes to the disk and into the journal. Throws Error.
  void keep(ByteRange range);
  /// Takes the checksum of what is present from the start on, unless another thread is at it.
  void hash_ahead();

  /// When all is present: whether the checksum matches. `size` is for a file that had none.
  bool matches(uint64_t size);
  /// Makes it the blob. Needs a match.
  void publish();
  /// Throws everything away and begins again.
  void restart();

  /// The files beside `blob` that this class makes.
  static std::vector<std::filesystem::path> companions(const std::filesystem::path& blob);
  /// Bytes that an earlier run left for `blob`, by its journal.
  static uint64_t kept_bytes(const std::filesystem::path& blob, uint64_t size);

 private:
  void open_journal();
  void hash_to(uint64_t end);

  std::filesystem::path blob_;
  std::string digest_name_;
  std::optional<uint64_t> size_;
  Descriptor data_;
  Descriptor journal_;
  mutable std::mutex mutex_;              // guards present_ and journal_
  std::map<uint64_t, uint64_t> present_;  // begin → end, apart from each other
  std::mutex hash_mutex_;                 // guards the three below
  std::optional<Digest> digest_;
  uint64_t hashed_bytes_ = 0;
  std::vector<std::byte> buffer_;
};

/// The checksum of a file, in the way that `name`, itself a checksum, was made; nothing when it is
/// no checksum. `progress` is called with counts of bytes. Throws Error.
std::optional<std::string> digest_of_file(const std::filesystem::path& path,
                                          const std::string& name,
                                          const std::function<void(uint64_t)>& progress = {});

}  // namespace hearth
