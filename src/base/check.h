// CHECK: an invariant that only a bug in hearth can break. Always on; keep it out of inner loops.
// Input that a user can provide is never CHECKed, it gets an error of base/error.h.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace hearth {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "hearth: internal error: %s does not hold (%s:%d). Please report this.\n",
               condition, file, line);
  std::abort();
}

}  // namespace hearth

#define CHECK(condition) \
  ((condition) ? void(0) : ::hearth::check_failed(#condition, __FILE__, __LINE__))
