#include "kernels/ladder.h"

namespace hearth {

const KernelRung* kernel_ladder(int* count) {
#if defined(__x86_64__) || defined(__aarch64__)
  static constexpr KernelRung kRungs[] = {
#if defined(__x86_64__)
    {"avx2", upgrade_to_avx2},
    {"avxvnni", upgrade_to_avxvnni},
    {"avx512", upgrade_to_avx512},
    {"avx512bf16", upgrade_to_avx512bf16},
#else
    {"neon", upgrade_to_neon},
#endif
  };
  *count = sizeof kRungs / sizeof kRungs[0];
  return kRungs;
#else
  *count = 0;
  return nullptr;
#endif
}

}  // namespace hearth
