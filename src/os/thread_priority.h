// How much of a core a thread gets where others want it, too.
#pragma once

namespace hearth {

/// From now on the calling thread, whose work nobody waits for, gets about a tenth of what others
/// get on the same core; all of an idle one. Threads that it starts inherit that.
void lower_thread_priority();

}  // namespace hearth
