#include "kernels/ladder.h"

namespace hearth {

const KernelRung* kernel_ladder(int* count) {
#if defined(__x86_64__)
  static constexpr KernelRung kRungs[] = {
      {"avx2", upgrade_to_avx2},
      {"avx512", upgrade_to_avx512},
      {"avx512bf16", upgrade_to_avx512bf16},
  };
  *count = sizeof kRungs / sizeof kRungs[0];
  return kRungs;
#else
  *count = 0;
  return nullptr;
#endif
}

}  // namespace hearth
