#include "hub/aliases.h"

#include <array>
#include <string>

namespace hearth {
namespace {

constexpr std::array<ModelAlias, 6> kAliases = {{
    {"qwen3-next", "Intel/Qwen3-Next-80B-A3B-Instruct-int4-mixed-AutoRound",
     "80B Instruct in 4 and 8 bits"},
    {"qwen3-next-thinking", "Intel/Qwen3-Next-80B-A3B-Thinking-int4-mixed-AutoRound",
     "80B Thinking in 4 and 8 bits"},
    {"qwen3-coder-next", "Intel/Qwen3-Coder-Next-int4-AutoRound", "Coder-Next in 4 bits"},
    {"qwen3-next-bf16", "Qwen/Qwen3-Next-80B-A3B-Instruct", "80B Instruct in 16 bits"},
    {"qwen3-next-thinking-bf16", "Qwen/Qwen3-Next-80B-A3B-Thinking", "80B Thinking in 16 bits"},
    {"qwen3-coder-next-bf16", "Qwen/Qwen3-Coder-Next", "Coder-Next in 16 bits"},
}};

}  // namespace

std::span<const ModelAlias> model_aliases() { return kAliases; }

ModelRef named_model(std::string_view text) {
  const std::string_view name = text.substr(0, text.find('@'));
  for (const ModelAlias& row : kAliases) {
    if (row.alias == name) {
      return parse_model_ref(std::string(row.repo).append(text.substr(name.size())));
    }
  }
  return parse_model_ref(text);
}

}  // namespace hearth
