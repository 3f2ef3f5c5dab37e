// Continuous batching: many requests run together, each as if it were alone.
//
// One thread calls. A request waits in a queue until a place is free and its pages of the KV cache
// are certain, then its prompt is computed in chunks beside the tokens of the others, and its
// answer token by token. Batch and order do not change any answer: a token's bits depend on its
// own sequence alone.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/prefill_pacer.h"
#include "engine/prefix_store.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "model/memory_ledger.h"
#include "model/model.h"

namespace hearth {

class Engine {
 public:
  /// The model must outlive the engine. `needs` is what the memory ledger was asked for: the
  /// context is shared by all sequences and kept prefixes. Throws MemoryError.
  Engine(const Model& model, const RunNeeds& needs);
  ~Engine();

  /// What a place for a request is doing.
  struct PlaceStatus {
    RequestId id = 0;  // 0: it is free
    int64_t prompt_tokens = 0;
    int64_t prompt_done = 0;  // of them, computed or found
    int64_t generated_tokens = 0;
  };

  /// Most tokens of a prompt and its answer together.
  int64_t most_tokens() const;

  /// Queues a request. Its prompt is not empty and holds ids of the vocabulary, max_tokens is not
  /// negative, and both together are within most_tokens(). Throws UsageError otherwise, and for
  /// sampling parameters out of range.
  RequestId submit(GenerationRequest request);

  /// Ends a request; its observer hears so before this returns. Nothing when it has ended before.
  void cancel(RequestId id);

  /// One forward pass, and what follows from it. False when there is nothing to do, or only for
  /// observers that are behind.
  bool step();

  /// Steps until there is nothing to do.
  void run() {
    while (step()) {
    }
  }

  /// How much longer passes of those who decode may take on average while others have their prompts
  /// computed, e.g. 0.3; none, as without this call: prompts take part in every pass.
  void limit_slowdown(std::optional<double> slowdown) { pacer_ = PrefillPacer(slowdown); }

  int64_t waiting() const { return static_cast<int64_t>(queue_.size()); }
  int64_t running() const;
  int64_t places() const { return static_cast<int64_t>(places_.size()); }
  PlaceStatus place(int64_t index) const;
  const KvPagePool& pool() const { return pool_; }
  /// May be read from any thread.
  const ExpertUses& expert_uses() const { return workspace_.expert_uses(); }
  PrefixStore& prefixes() { return prefixes_; }

  /// The logits of the last token drawn from; for checks. [vocab]
  std::span<const float> last_logits() const { return last_logits_; }

 private:
  struct Waiting {
    RequestId id = 0;
    GenerationRequest request;
    Stopwatch since;
  };
  struct Place;

  int64_t pages_of(const GenerationRequest& request) const;
  std::deque<Waiting>::iterator next_waiting();
  void admit();
  void start(Place& place, Waiting waiting);
  void resume(Place& place);
  void find_work();
  PlaceWork work_of(const Place& place, int64_t most_rows) const;
  Segment segment_of(Place& place, int64_t tokens) const;
  void reserve(Place& place, int64_t tokens);
  void after_pass(Place& place, int64_t first_row, int64_t rows);
  void draw(Place& place, std::span<const float> logits);
  void finish(Place& place, FinishReason reason);
  std::span<const float> logits(int64_t row) const;

  const Model& model_;
  RunNeeds needs_;
  KvPagePool pool_;
  Workspace workspace_;
  PrefixStore prefixes_;
  std::vector<std::unique_ptr<Place>> places_;
  std::deque<Waiting> queue_;
  PrefillPacer pacer_;
  int64_t promised_pages_ = 0;  // to running requests, for all that they may still write
  RequestId last_id_ = 0;
  std::span<const float> last_logits_;
  // Of one step; sized once.
  std::vector<PlaceWork> work_;
  std::vector<PlannedSegment> plan_;
  std::vector<Segment> batch_;
};

}  // namespace hearth
