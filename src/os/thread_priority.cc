#include "os/thread_priority.h"

#include <unistd.h>

namespace hearth {

// On Linux that is a matter of the thread. SCHED_IDLE would be kinder to the others, but where they
// never rest a thread under it does not end, and somebody may have to join it.
void lower_thread_priority() { [[maybe_unused]] const int niceness = nice(10); }

}  // namespace hearth
