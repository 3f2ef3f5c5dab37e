// How much of everything a server of a model gets.
#pragma once

#include <cstdint>
#include <optional>

#include "model/memory_ledger.h"

namespace hearth {

struct ServeSizes {
  int64_t context_tokens = 0;  // of each request; 0: 65536, or what the model has
  int64_t parallel = 0;        // requests that run together; 0: what fits, up to 4
  std::optional<int64_t> prefix_cache_mib = {};  // none: 2048, or an eighth of the memory
  int64_t chunk_tokens = kDefaultChunk;
};

struct ServePlan {
  int64_t context_tokens = 0;  // of each request
  RunNeeds needs;
};

/// What will be run on a model of this config. Every place has the pages of its whole context, so
/// that no request waits for another's; kept prefixes live in pages that nobody uses, and their
/// states within their budget. `available` is what the system could give. Throws UsageError when
/// the context is longer than the model's positions.
ServePlan plan_server(const ServeSizes& sizes, const ModelConfig& config,
                      const ModelOptions& options, uint64_t available);

}  // namespace hearth
