#include "tests/support/allocation_counter.h"

#include <atomic>
#include <cstdlib>

namespace {

std::atomic<int64_t> count{0};

}  // namespace

// glibc's own, behind the names that are replaced; operator new ends in malloc.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) {
  ++count;
  return __libc_malloc(bytes);
}
void* calloc(size_t items, size_t bytes) {
  ++count;
  return __libc_calloc(items, bytes);
}
void* realloc(void* old, size_t bytes) {
  ++count;
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  ++count;
  return __libc_memalign(alignment, bytes);
}
}

namespace hearth::testing {

int64_t allocations() { return count; }

}  // namespace hearth::testing
