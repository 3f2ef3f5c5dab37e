#include "engine/prefill_pacer.h"

#include <algorithm>

namespace hearth {

void PrefillPacer::after_pass(bool decoded, bool prompted, double seconds) {
  if (!slowdown_) return;
  if (!decoded) {  // nobody waits
    debt_seconds_ = 0;
    return;
  }
  if (!prompted) {
    constexpr double kNew = 0.2;
    const double known = decode_seconds_.value_or(seconds);
    decode_seconds_ = known + kNew * (seconds - known);
    debt_seconds_ = std::max(0.0, debt_seconds_ - *slowdown_ * seconds);
    return;
  }
  // Before anybody has decoded alone, nothing is known: the next pass will tell.
  const double alone = decode_seconds_.value_or(0);
  debt_seconds_ += seconds - alone - *slowdown_ * alone;
}

}  // namespace hearth
