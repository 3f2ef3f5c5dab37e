// Which processors a program should run its workers on.
#pragma once

#include <vector>

namespace hearth {

/// One operating-system processor number per physical core that this process may use, in core
/// order. Hyper-threads add nothing to memory-bound kernels, so each core is listed once.
std::vector<int> physical_cores();

}  // namespace hearth
