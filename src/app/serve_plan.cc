#include "app/serve_plan.h"

#include <algorithm>

#include "app/model_flags.h"

namespace hearth {
namespace {

/// Rows of logits beside those of the places, for requests that want those of their prompts. Each
/// pass of such a prompt has so many tokens.
constexpr int64_t kPromptRows = 64;

constexpr int64_t kMib = 1 << 20;

}  // namespace

ServePlan plan_server(const ServeSizes& sizes, const ModelConfig& config,
                      const ModelOptions& options, uint64_t available) {
  constexpr int64_t kUsualContext = 65536;
  constexpr int64_t kMostPlaces = 4;
  constexpr int64_t kUsualCacheMib = 2048;
  // A search compares a prompt with each of them.
  constexpr int64_t kMostSnapshots = 512;
  const StateShape shape = state_shape_of(config, options);
  const int64_t state_bytes = shape.fixed_floats() * static_cast<int64_t>(sizeof(float));
  ServePlan plan{.context_tokens = context_of(config, sizes.context_tokens, kUsualContext),
                 .needs = {}};
  const int64_t pages = shape.pages(plan.context_tokens);
  const int64_t memory = static_cast<int64_t>(available);
  const int64_t fitting = memory / 4 / (state_bytes + pages * shape.page_bytes());
  const int64_t places =
      sizes.parallel > 0 ? sizes.parallel : std::clamp(fitting, int64_t{1}, kMostPlaces);
  const int64_t cache_mib =
      sizes.prefix_cache_mib.value_or(std::min(kUsualCacheMib, memory / 8 / kMib));
  plan.needs = {.context_tokens = places * pages * kKvPageTokens,
                .sequences = places,
                .snapshots = std::min(cache_mib * kMib / state_bytes, kMostSnapshots),
                .chunk_tokens = sizes.chunk_tokens,
                .logit_rows = places + kPromptRows};
  return plan;
}

}  // namespace hearth
