#include "model/sequence_state.h"

#include <cstring>
#include <utility>

#include "base/check.h"

namespace hearth {

KvPagePool::KvPagePool(int64_t page_bytes, int64_t pages)
    : page_bytes_(page_bytes),
      memory_(static_cast<size_t>(page_bytes * pages)),
      owners_(static_cast<size_t>(pages), 0) {
  free_.reserve(static_cast<size_t>(pages));
  std::byte* base = static_cast<std::byte*>(memory_.data());
  // The lowest page is taken first, so that a short sequence touches little memory.
  for (int64_t i = pages - 1; i >= 0; --i) free_.push_back(base + i * page_bytes);
}

size_t KvPagePool::index(const std::byte* page) const {
  return static_cast<size_t>((page - static_cast<const std::byte*>(memory_.data())) / page_bytes_);
}

std::byte* KvPagePool::take() {
  if (free_.empty()) return nullptr;
  std::byte* page = free_.back();
  free_.pop_back();
  owners_[index(page)] = 1;
  std::memset(page, 0, static_cast<size_t>(page_bytes_));
  return page;
}

void KvPagePool::share(std::byte* page) { ++owners_[index(page)]; }

void KvPagePool::release(std::byte* page) {
  CHECK(owners_[index(page)] > 0);
  if (--owners_[index(page)] == 0) free_.push_back(page);
}

PageList::PageList(KvPagePool& pool) : pool_(&pool) { pages_.reserve(pool.total_pages()); }

PageList::PageList(const PageList& other) : PageList(*other.pool_) { *this = other; }

PageList::PageList(PageList&& other) noexcept
    : pool_(other.pool_), pages_(std::exchange(other.pages_, {})) {}

PageList& PageList::operator=(const PageList& other) noexcept {
  if (this == &other) return *this;
  CHECK(pool_ == other.pool_);
  clear();
  for (std::byte* page : other.pages_) {
    pool_->share(page);
    pages_.push_back(page);
  }
  return *this;
}

PageList& PageList::operator=(PageList&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(pages_, other.pages_);
  return *this;
}

void PageList::clear() noexcept {
  for (std::byte* page : pages_) pool_->release(page);
  pages_.clear();
}

bool PageList::reserve(int64_t length, int64_t tokens) {
  if (tokens == 0) return true;
  const int64_t current = length / kKvPageTokens;
  if (length % kKvPageTokens != 0) {
    std::byte*& page = pages_[static_cast<size_t>(current)];
    if (pool_->shared(page)) {
      std::byte* own = pool_->take();
      if (!own) return false;
      std::memcpy(own, page, static_cast<size_t>(pool_->page_bytes()));
      pool_->release(page);
      page = own;
    }
  }
  while (size() * kKvPageTokens < length + tokens) {
    std::byte* page = pool_->take();
    if (!page) return false;
    pages_.push_back(page);
  }
  return true;
}

SequenceState::SequenceState(const StateShape& shape, KvPagePool& pool)
    : shape_(&shape),
      pool_(&pool),
      fixed_(static_cast<size_t>(shape.fixed_floats()) * sizeof(float)),
      pages_(pool) {}

void SequenceState::reset() {
  length_ = 0;
  std::memset(fixed_.data(), 0, fixed_.bytes());
  pages_.clear();
}

StateSnapshot::StateSnapshot(const StateShape& shape, KvPagePool& pool)
    : fixed_(static_cast<size_t>(shape.fixed_floats()) * sizeof(float)), pages_(pool) {}

void StateSnapshot::clear() {
  length_ = 0;
  pages_.clear();
}

StateSnapshot SequenceState::snapshot() const {
  StateSnapshot copy(*shape_, *pool_);
  save(copy);
  return copy;
}

void SequenceState::save(StateSnapshot& snapshot) const {
  CHECK(snapshot.fixed_.bytes() == fixed_.bytes());
  snapshot.length_ = length_;
  std::memcpy(snapshot.fixed_.data(), fixed_.data(), fixed_.bytes());
  snapshot.pages_ = pages_;
}

void SequenceState::restore(const StateSnapshot& snapshot) {
  CHECK(snapshot.fixed_.bytes() == fixed_.bytes());
  length_ = snapshot.length_;
  std::memcpy(fixed_.data(), snapshot.fixed_.data(), fixed_.bytes());
  pages_ = snapshot.pages_;
}

SequenceState SequenceState::fork() const {
  SequenceState copy(*shape_, *pool_);
  copy.length_ = length_;
  std::memcpy(copy.fixed_.data(), fixed_.data(), fixed_.bytes());
  copy.pages_ = pages_;
  return copy;
}

}  // namespace hearth
