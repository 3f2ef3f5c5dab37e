// States of sequences at chosen positions, to be found again by the tokens that led there: a prompt
// that starts like an earlier one does not compute its start again.
//
// They form a tree: the parent of a state is the longest kept one that its tokens begin with. There
// are few of them, since a recurrent state is tens of megabytes, so each keeps all its tokens and a
// search compares them: no hash that could collide. The KV pages of states on the same path are
// shared by reference.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/sequence_state.h"

namespace hearth {

class PrefixStore {
 public:
  /// Room for `snapshots` states. Their memory is taken from the system as it is used. Shape and
  /// pool must outlive the store. Throws MemoryError.
  PrefixStore(const StateShape& shape, KvPagePool& pool, int64_t snapshots);

  struct Match {
    const StateSnapshot* snapshot = nullptr;  // valid until the next call; null: none fits
    int64_t known_tokens = 0;                 // the longest common start with anything kept
    /// What was kept has this token behind that start; negative: it ends there.
    int32_t other_token = -1;
  };

  /// The longest kept prefix of `tokens` that leaves at least one of them to compute.
  Match find(std::span<const int32_t> tokens);

  /// Keeps the state that `tokens` led to, in place of the least valuable one when the store is
  /// full.
  void keep(std::span<const int32_t> tokens, const SequenceState& state);

  /// Drops the least valuable state, which may free KV pages. False when there is none.
  bool drop();

  int64_t size() const;

 private:
  struct Entry {
    explicit Entry(StateSnapshot empty) : snapshot(std::move(empty)) {}

    int64_t length() const { return static_cast<int64_t>(tokens.size()); }

    StateSnapshot snapshot;
    std::vector<int32_t> tokens;  // none: the entry is free
    Entry* parent = nullptr;
    uint64_t last_use = 0;  // on the clock of searches
  };

  void enter(Entry& entry);
  void remove(Entry& entry);
  Entry* least_valuable();
  double value(const Entry& entry) const;

  const StateShape* shape_;
  std::vector<Entry> entries_;  // never grows: entries point to each other
  uint64_t clock_ = 0;          // counts searches
};

}  // namespace hearth
