// Whether a person is watching, or typing.
#pragma once

namespace hearth {

/// Whether standard error is a terminal.
bool stderr_is_terminal();

/// Whether standard input is one: somebody can be asked.
bool stdin_is_terminal();

}  // namespace hearth
