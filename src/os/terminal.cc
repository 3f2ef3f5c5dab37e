#include "os/terminal.h"

#include <unistd.h>

namespace hearth {

bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }

}  // namespace hearth
