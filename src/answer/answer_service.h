// Answers requests of many clients at once, with one engine in a thread of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "answer/answer_event.h"
#include "answer/answer_request.h"
#include "backend/expert_uses.h"

namespace hearth {

/// Names a request of the service; never used twice.
using AnswerId = uint64_t;

/// What the service is doing; for /slots, /metrics and /health.
struct ServiceStatus {
  struct Slot {
    bool busy = false;
    AnswerId id = 0;
    int64_t prompt_tokens = 0;
    int64_t prompt_done = 0;
    int64_t generated_tokens = 0;
  };

  std::vector<Slot> slots;
  int64_t waiting = 0;
  int64_t context_tokens = 0;  // most tokens of one prompt and its answer
  int64_t kv_pages = 0;        // all
  int64_t kv_pages_free = 0;   // of them
  int64_t kept_prefixes = 0;   // snapshots
  int64_t requests = 0;        // ended ones, ever
  int64_t prompt_tokens = 0;   // of them; those of each choice
  int64_t cached_tokens = 0;   // of these
  int64_t generated_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

/// The tokens of an input, as the model would get them.
struct PreparedInput {
  std::string text;
  std::vector<int32_t> tokens;
};

class AnswerService {
 public:
  virtual ~AnswerService() = default;

  /// Queues a request and returns at once, from any thread. All else, also what is wrong with it,
  /// is told to the sink, which lives until its last event has been taken. With a full queue that
  /// is AnswerFailed with kOverloaded, at once.
  virtual AnswerId submit(AnswerRequest request, std::shared_ptr<AnswerSink> sink) = 0;

  /// Ends a request within one forward pass; its sink hears nothing more after the call in
  /// progress, if there is one. Nothing when it has ended. From any thread.
  virtual void cancel(AnswerId id) = 0;

  /// The sink of a request has room again. From any thread.
  virtual void resume(AnswerId id) = 0;

  virtual ServiceStatus status() const = 0;
  /// Of all forward passes so far.
  virtual const ExpertUses& expert_uses() const = 0;

  /// What submit() does with an input before it is queued: renders, encodes. From any thread;
  /// throws ApiError.
  virtual PreparedInput prepare(const AnswerRequest& request) const = 0;
  virtual std::vector<int32_t> tokenize(const std::string& text, bool special) const = 0;
  virtual std::string detokenize(const std::vector<int32_t>& tokens) const = 0;

  /// The checkpoint's sampling defaults, as flags changed them: where a request's sampling starts.
  virtual const SamplingParameters& default_sampling() const = 0;
  virtual const std::string& model_name() const = 0;  // short, without a slash
  virtual int64_t vocab_size() const = 0;
};

}  // namespace hearth
