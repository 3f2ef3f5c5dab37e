// Ownership of what the Rust library gives, and the files both faces read. Private to this module.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/rust/hearth_text.h"

namespace hearth::text_library {

/// A copy; frees the original.
std::string take(hearth_text_bytes bytes);
std::vector<int32_t> take(hearth_text_ids ids);

/// The content of a file; nothing when there is no such file. Throws LoadError when it cannot be
/// read.
std::optional<std::string> read_file(const std::filesystem::path& path);

}  // namespace hearth::text_library
