// How often each expert was chosen: what a memory that cannot hold all of them should hold.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace hearth {

/// Written by one thread, pass by pass; may be read by any other meanwhile.
class ExpertUses {
 public:
  ExpertUses(int64_t layers, int64_t experts)
      : layers_(layers), experts_(experts), counts_(static_cast<size_t>(layers * experts)) {}

  int64_t layers() const { return layers_; }
  int64_t experts() const { return experts_; }

  uint64_t count(int64_t layer, int64_t expert) const {
    return at(layer, expert).load(std::memory_order_relaxed);
  }

  /// Only from the one thread that writes.
  void add(int64_t layer, int64_t expert, uint64_t uses) {
    at(layer, expert).store(count(layer, expert) + uses, std::memory_order_relaxed);
  }

 private:
  size_t index(int64_t layer, int64_t expert) const {
    return static_cast<size_t>(layer * experts_ + expert);
  }
  std::atomic<uint64_t>& at(int64_t layer, int64_t expert) { return counts_[index(layer, expert)]; }
  const std::atomic<uint64_t>& at(int64_t layer, int64_t expert) const {
    return counts_[index(layer, expert)];
  }

  int64_t layers_;
  int64_t experts_;
  std::vector<std::atomic<uint64_t>> counts_;
};

}  // namespace hearth
