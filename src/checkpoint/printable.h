// Pieces of error messages: names from untrusted files made fit to print, shapes, lists.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor_view.h"

namespace hearth {

/// The text in double quotes, control bytes as \xNN, cut after 200 bytes: a hostile file shall not
/// reach the terminal with escape sequences or bury it in megabytes.
std::string printable(std::string_view text);

/// "[2, 3]"; a negative dimension reads "any".
std::string shape_text(std::span<const int64_t> dims);
std::string shape_text(const TensorView& view);

/// The items with the separator between them.
std::string joined(std::span<const std::string> items, std::string_view separator);

}  // namespace hearth
