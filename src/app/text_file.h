// Files that a person names, read as a whole.
#pragma once

#include <string>

namespace hearth {

/// Throws UsageError with the path, the reason, and the advice, a sentence; may be empty. A folder
/// is no file: it opens, and fails at the first byte.
std::string read_text_file(const std::string& path, const std::string& advice = {});

}  // namespace hearth
