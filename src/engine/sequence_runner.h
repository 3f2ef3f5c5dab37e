// One sequence, run to the end by one caller: prefill in bounded chunks, then token by token.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "model/model.h"

namespace hearth {

struct RunnerLimits {
  int64_t context_tokens = 0;            // room of the KV cache
  int64_t chunk_tokens = kDefaultChunk;  // most tokens of one forward pass
  int64_t logit_rows = 1;                // most rows of logits of one forward pass
};

class SequenceRunner {
 public:
  /// The model must outlive it. Throws MemoryError, before taking it, when the system has less
  /// memory available than the limits need.
  SequenceRunner(const Model& model, const RunnerLimits& limits);

  /// Feeds the tokens; the logits of the last one are returned, [vocab], valid until the next
  /// call. The tokens must fit into the context.
  std::span<const float> feed(std::span<const int32_t> tokens) noexcept;

  /// Feeds the tokens and shows the logits of each, in order: visit(index, logits).
  void feed_all(std::span<const int32_t> tokens,
                const std::function<void(int64_t, std::span<const float>)>& visit);

  SequenceState& state() { return state_; }
  Workspace& workspace() { return workspace_; }
  int64_t context_tokens() const { return limits_.context_tokens; }

 private:
  std::span<const float> logits(int64_t row) const;

  const Model& model_;
  RunnerLimits limits_;
  KvPagePool pool_;
  SequenceState state_;
  Workspace workspace_;
};

}  // namespace hearth
