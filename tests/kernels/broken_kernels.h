// A check that cannot fail proves nothing: kernels with one mistake each, which it must notice.
#pragma once

namespace hearth::kernel_check {

/// Checks every broken kernel in a process of its own; returns whether all were found out.
bool run_self_test();

}  // namespace hearth::kernel_check
