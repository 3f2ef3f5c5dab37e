#include "engine/prefix_store.h"

#include <algorithm>

namespace hearth {
namespace {

int64_t common_start(std::span<const int32_t> a, std::span<const int32_t> b) {
  const auto [end, _] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return end - a.begin();
}

bool starts_with(std::span<const int32_t> tokens, std::span<const int32_t> start) {
  return tokens.size() >= start.size() && std::equal(start.begin(), start.end(), tokens.begin());
}

}  // namespace

PrefixStore::PrefixStore(const StateShape& shape, KvPagePool& pool, int64_t snapshots) {
  entries_.reserve(static_cast<size_t>(snapshots));
  for (int64_t i = 0; i < snapshots; ++i) entries_.emplace_back(StateSnapshot(shape, pool));
}

PrefixStore::Match PrefixStore::find(std::span<const int32_t> tokens) {
  Match match;
  Entry* best = nullptr;
  for (Entry& entry : entries_) {
    if (entry.tokens.empty()) continue;
    const int64_t common = common_start(tokens, entry.tokens);
    match.known_tokens = std::max(match.known_tokens, common);
    const bool whole = common == static_cast<int64_t>(entry.tokens.size());
    if (!whole || entry.tokens.size() >= tokens.size()) continue;
    if (!best || entry.tokens.size() > best->tokens.size()) best = &entry;
  }
  if (!best) return match;
  best->last_use = ++clock_;
  match.snapshot = &best->snapshot;
  return match;
}

void PrefixStore::keep(std::span<const int32_t> tokens, const SequenceState& state) {
  if (entries_.empty() || tokens.empty()) return;
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return std::equal(tokens.begin(), tokens.end(), entry.tokens.begin(), entry.tokens.end());
  });
  if (same != entries_.end()) {
    same->last_use = ++clock_;
    return;
  }
  const auto unused = std::find_if(entries_.begin(), entries_.end(),
                                   [](const Entry& entry) { return entry.tokens.empty(); });
  Entry& entry = unused != entries_.end() ? *unused : *least_valuable();
  state.save(entry.snapshot);
  entry.tokens.assign(tokens.begin(), tokens.end());
  entry.last_use = ++clock_;
}

bool PrefixStore::drop() {
  Entry* entry = least_valuable();
  if (!entry) return false;
  entry->snapshot.clear();
  entry->tokens.clear();
  return true;
}

int64_t PrefixStore::size() const {
  return std::count_if(entries_.begin(), entries_.end(),
                       [](const Entry& entry) { return !entry.tokens.empty(); });
}

/// Tokens that would have to be computed again without it, per use that has passed since its last.
/// Snapshots are of one size but for their KV pages, and those are few bytes beside the states.
double PrefixStore::value(const Entry& entry) const {
  size_t before = 0;
  for (const Entry& other : entries_) {
    if (&other == &entry || other.tokens.size() >= entry.tokens.size()) continue;
    if (starts_with(entry.tokens, other.tokens)) before = std::max(before, other.tokens.size());
  }
  return static_cast<double>(entry.tokens.size() - before) /
         static_cast<double>(1 + clock_ - entry.last_use);
}

PrefixStore::Entry* PrefixStore::least_valuable() {
  Entry* least = nullptr;
  double least_value = 0;
  for (Entry& entry : entries_) {
    if (entry.tokens.empty()) continue;
    const double own = value(entry);
    if (!least || own < least_value) {
      least = &entry;
      least_value = own;
    }
  }
  return least;
}

}  // namespace hearth
