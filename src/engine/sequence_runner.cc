#include "engine/sequence_runner.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

/// The limits, once it is known that the system can hold their KV cache.
const RunnerLimits& affordable(const Model& model, const RunnerLimits& limits) {
  const StateShape& shape = model.state_shape();
  const uint64_t wanted =
      static_cast<uint64_t>(shape.pages(limits.context_tokens) * shape.page_bytes());
  const uint64_t available = available_memory_bytes();
  if (wanted > available) {
    constexpr double kGib = 1 << 30;
    throw MemoryError(fmt::format(
        "a KV cache for {} tokens takes {:.2f} GiB, and {:.2f} GiB are available. Ask for fewer "
        "tokens (-n) or shorten the prompt.",
        limits.context_tokens, static_cast<double>(wanted) / kGib,
        static_cast<double>(available) / kGib));
  }
  return limits;
}

}  // namespace

SequenceRunner::SequenceRunner(const Model& model, const RunnerLimits& limits)
    : model_(model),
      limits_(affordable(model, limits)),
      pool_(model.state_shape().page_bytes(), model.state_shape().pages(limits.context_tokens)),
      state_(model.state_shape(), pool_),
      workspace_(model, limits.chunk_tokens, 1, limits.logit_rows) {}

std::span<const float> SequenceRunner::logits(int64_t row) const {
  return {workspace_.logits(row), static_cast<size_t>(model_.config().vocab_size)};
}

std::span<const float> SequenceRunner::feed(std::span<const int32_t> tokens) noexcept {
  CHECK(!tokens.empty());
  CHECK(state_.reserve(static_cast<int64_t>(tokens.size())));
  while (!tokens.empty()) {
    const size_t count = std::min(tokens.size(), static_cast<size_t>(limits_.chunk_tokens));
    const Segment segment{&state_, tokens.first(count), count == tokens.size() ? 1 : 0};
    model_.forward({&segment, 1}, workspace_);
    tokens = tokens.subspan(count);
  }
  return logits(0);
}

void SequenceRunner::feed_all(std::span<const int32_t> tokens,
                              const std::function<void(int64_t, std::span<const float>)>& visit) {
  CHECK(state_.reserve(static_cast<int64_t>(tokens.size())));
  const size_t chunk =
      static_cast<size_t>(std::min(limits_.chunk_tokens, workspace_.max_logit_rows()));
  for (size_t first = 0; first < tokens.size(); first += chunk) {
    const auto part = tokens.subspan(first, std::min(chunk, tokens.size() - first));
    const Segment segment{&state_, part, static_cast<int64_t>(part.size())};
    model_.forward({&segment, 1}, workspace_);
    for (size_t i = 0; i < part.size(); ++i) {
      visit(static_cast<int64_t>(first + i), logits(static_cast<int64_t>(i)));
    }
  }
}

}  // namespace hearth
