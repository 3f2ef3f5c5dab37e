#include <array>
#include <string>

#include "base/error.h"
#include "model/families/family.h"

namespace hearth {
namespace {

constexpr std::array<Family, 1> kFamilies = {{
    {"qwen3_next", uses_qwen3_next, load_qwen3_next},
}};

}  // namespace

std::span<const Family> all_families() { return kFamilies; }

const Family& find_family(const Checkpoint& checkpoint, const ModelConfig& config) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == config.model_type) return family;
    known += (known.empty() ? "'" : ", '") + std::string(family.model_type) + "'";
  }
  throw LoadError({.file = checkpoint.directory() / "config.json",
                   .where = "model_type",
                   .expected = known,
                   .found = "'" + config.model_type + "'",
                   .advice = "hearth does not run this architecture."});
}

}  // namespace hearth
