// Reasoning inside a field that clients send back as they got it. Some of them keep only what the
// vendor's server would be able to read: `encrypted_content` of OpenAI, `signature` of Anthropic.
// With the reasoning in it, the next prompt begins as this one ended, and is found in the cache.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hearth {

inline constexpr std::string_view kCarriedMark = "hearth:";

inline std::string carry_reasoning(std::string_view reasoning) {
  return std::string(kCarriedMark) + std::string(reasoning);
}

/// Nothing for what hearth has not made.
inline std::optional<std::string> carried_reasoning(std::string_view field) {
  if (!field.starts_with(kCarriedMark)) return {};
  return std::string(field.substr(kCarriedMark.size()));
}

}  // namespace hearth
