// Everything that a model remembers of one sequence: recurrent DeltaNet states, convolution
// histories, and the pages of its KV cache. There is no truncate: a recurrent state cannot be
// rewound, only restored from a snapshot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "os/memory_block.h"

namespace hearth {

/// The sizes of a model's sequence states.
struct StateShape {
  int64_t delta_layers = 0;
  DeltaGeometry delta;
  int64_t attention_layers = 0;
  AttentionGeometry attention;

  int64_t layer_recurrent() const { return delta.value_heads * delta.head_state(); }
  int64_t layer_conv() const { return (delta.taps - 1) * delta.channels(); }
  /// Floats of all recurrent states and convolution histories of a sequence.
  int64_t fixed_floats() const { return delta_layers * (layer_recurrent() + layer_conv()); }
  int64_t page_bytes() const { return attention_layers * attention.page_bytes(); }
  int64_t pages(int64_t tokens) const { return (tokens + kKvPageTokens - 1) / kKvPageTokens; }
};

/// A fixed number of equal, reference-counted pages. For one thread.
class KvPagePool {
 public:
  /// Throws MemoryError.
  KvPagePool(int64_t page_bytes, int64_t pages);

  int64_t page_bytes() const { return page_bytes_; }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  size_t total_pages() const { return owners_.size(); }

  /// A page with one owner, or null when none is free. It is all zero: attention
  /// computes with whole pages, and what it masks out must be numbers.
  std::byte* take();
  void share(std::byte* page);
  void release(std::byte* page);
  bool shared(const std::byte* page) const { return owners_[index(page)] > 1; }

 private:
  size_t index(const std::byte* page) const;

  int64_t page_bytes_;
  MemoryBlock memory_;
  std::vector<uint32_t> owners_;
  std::vector<std::byte*> free_;
};

/// Shared ownership of a sequence's pages. Copying shares them.
class PageList {
 public:
  /// Has room for all pages of the pool, so that neither `reserve` nor an assignment allocates.
  explicit PageList(KvPagePool& pool);
  PageList(const PageList& other);
  PageList(PageList&& other) noexcept;
  PageList& operator=(const PageList& other) noexcept;
  PageList& operator=(PageList&& other) noexcept;
  ~PageList() { clear(); }

  void clear() noexcept;

  std::span<std::byte* const> pages() const { return pages_; }
  int64_t size() const { return static_cast<int64_t>(pages_.size()); }

  /// Makes positions [length, length + tokens) writable by this owner alone: adds pages, and
  /// copies the page of `length` when it is shared and partly filled. False when the pool is empty;
  /// then nothing has changed that matters.
  bool reserve(int64_t length, int64_t tokens);

 private:
  KvPagePool* pool_;
  std::vector<std::byte*> pages_;
};

/// A sequence's state at one position, kept aside. Pages are shared with the sequence, recurrent
/// states are copied.
class StateSnapshot {
 public:
  /// Room for a state, empty. Throws MemoryError.
  StateSnapshot(const StateShape& shape, KvPagePool& pool);

  int64_t length() const { return length_; }

  /// Gives the pages up; the room for the rest stays.
  void clear();

 private:
  friend class SequenceState;

  int64_t length_ = 0;
  MemoryBlock fixed_;
  PageList pages_;
};

class SequenceState {
 public:
  /// An empty sequence. Shape and pool must outlive it. Throws MemoryError.
  SequenceState(const StateShape& shape, KvPagePool& pool);
  SequenceState(SequenceState&&) = default;
  SequenceState& operator=(SequenceState&&) = default;

  /// Tokens that the state has seen.
  int64_t length() const { return length_; }

  /// Back to an empty sequence.
  void reset();

  /// Takes room for `tokens` more tokens. False when the pool has too few pages.
  bool reserve(int64_t tokens) { return pages_.reserve(length_, tokens); }

  StateSnapshot snapshot() const;
  /// A snapshot in the place of another one; allocates nothing.
  void save(StateSnapshot& snapshot) const;
  void restore(const StateSnapshot& snapshot);
  SequenceState fork() const;

  // For the forward pass. `layer` counts layers of the kind alone.
  float* recurrent(int64_t layer) { return fixed() + layer * shape_->layer_recurrent(); }
  float* conv(int64_t layer) {
    return fixed() + shape_->delta_layers * shape_->layer_recurrent() +
           layer * shape_->layer_conv();
  }
  std::span<std::byte* const> pages() const { return pages_.pages(); }
  void advance(int64_t tokens) { length_ += tokens; }

 private:
  float* fixed() const { return static_cast<float*>(fixed_.data()); }

  const StateShape* shape_;
  KvPagePool* pool_;
  int64_t length_ = 0;
  MemoryBlock fixed_;  // recurrent states of all DeltaNet layers, then their histories
  PageList pages_;
};

}  // namespace hearth
