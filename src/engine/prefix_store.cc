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

/// What it takes to compute the tokens from one position to another, in tokens at the start of a
/// sequence. Attention grows with the position: at this one, it takes as much as all the rest.
double work(int64_t from, int64_t to) {
  constexpr double kDouble = 32768;
  const double tokens = static_cast<double>(to - from);
  return tokens * (1 + static_cast<double>(from + to) / 2 / kDouble);
}

}  // namespace

PrefixStore::PrefixStore(const StateShape& shape, KvPagePool& pool, int64_t snapshots)
    : shape_(&shape) {
  entries_.reserve(static_cast<size_t>(snapshots));
  for (int64_t i = 0; i < snapshots; ++i) entries_.emplace_back(StateSnapshot(shape, pool));
}

PrefixStore::Match PrefixStore::find(std::span<const int32_t> tokens) {
  Match match;
  Entry* best = nullptr;
  ++clock_;
  for (Entry& entry : entries_) {
    if (entry.tokens.empty()) continue;
    const int64_t common = common_start(tokens, entry.tokens);
    const bool whole = common == entry.length();
    if (common > match.known_tokens || (common == match.known_tokens && match.other_token < 0)) {
      match.known_tokens = common;
      match.other_token = whole ? -1 : entry.tokens[static_cast<size_t>(common)];
    }
    if (!whole || entry.tokens.size() >= tokens.size()) continue;
    if (!best || entry.length() > best->length()) best = &entry;
  }
  if (!best) return match;
  best->last_use = clock_;
  match.snapshot = &best->snapshot;
  return match;
}

void PrefixStore::keep(std::span<const int32_t> tokens, const SequenceState& state) {
  if (entries_.empty() || tokens.empty()) return;
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return std::equal(tokens.begin(), tokens.end(), entry.tokens.begin(), entry.tokens.end());
  });
  if (same != entries_.end()) {
    same->last_use = clock_;
    return;
  }
  const auto unused = std::find_if(entries_.begin(), entries_.end(),
                                   [](const Entry& entry) { return entry.tokens.empty(); });
  Entry& entry = unused != entries_.end() ? *unused : *least_valuable();
  remove(entry);
  state.save(entry.snapshot);
  entry.tokens.assign(tokens.begin(), tokens.end());
  entry.last_use = clock_;
  enter(entry);
}

/// Finds its place in the tree: between its parent and those of the parent's children that go on
/// from it.
void PrefixStore::enter(Entry& entry) {
  for (Entry& other : entries_) {
    if (other.tokens.empty() || &other == &entry || other.length() >= entry.length()) continue;
    if (entry.parent && entry.parent->length() >= other.length()) continue;
    if (starts_with(entry.tokens, other.tokens)) entry.parent = &other;
  }
  for (Entry& other : entries_) {
    if (&other == &entry || other.parent != entry.parent) continue;
    if (other.length() > entry.length() && starts_with(other.tokens, entry.tokens)) {
      other.parent = &entry;
    }
  }
}

void PrefixStore::remove(Entry& entry) {
  for (Entry& other : entries_) {
    if (other.parent == &entry) other.parent = entry.parent;
  }
  entry.parent = nullptr;
  entry.tokens.clear();
}

bool PrefixStore::drop() {
  Entry* entry = least_valuable();
  if (!entry) return false;
  entry->snapshot.clear();
  remove(*entry);
  return true;
}

int64_t PrefixStore::size() const {
  return std::count_if(entries_.begin(), entries_.end(),
                       [](const Entry& entry) { return !entry.tokens.empty(); });
}

/// The time that it saves beside its parent, for each byte that it holds alone, divided by the
/// searches since its last use. The unit of time is that of a token, which is the same for all.
double PrefixStore::value(const Entry& entry) const {
  const int64_t before = entry.parent ? entry.parent->length() : 0;
  const int64_t own_pages = shape_->pages(entry.length()) - before / kKvPageTokens;
  const double bytes =
      static_cast<double>(shape_->fixed_floats()) * static_cast<double>(sizeof(float)) +
      static_cast<double>(own_pages * shape_->page_bytes());
  const double age = 1 + static_cast<double>(clock_ - entry.last_use);
  return work(before, entry.length()) / bytes / age;
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
