// What somebody may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hearth {

/// The candidate with the fewest typing errors (a letter too many, missing, wrong, or two swapped),
/// or "" when even the best has more than a third of its letters wrong.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// " Did you mean X?", or "".
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace hearth
