// Which program this is.
#pragma once

#include <string>

namespace hearth {

/// "0.1.0".
std::string version();

}  // namespace hearth
