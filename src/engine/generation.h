// A request to the engine, and what becomes of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/constraint.h"
#include "engine/sampling_parameters.h"

namespace hearth {

enum class FinishReason : uint8_t {
  kEndToken,   // the model ended its turn
  kLength,     // max_tokens
  kStopped,    // the observer had enough
  kCancelled,  // by cancel()
};

/// What a request cost. Times are wall time, in seconds.
struct GenerationUsage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, whose state was at hand
  /// Of the prompt, the longest start that anything remembered has in common with it; more than
  /// cached_tokens where no state was kept at its end.
  int64_t known_tokens = 0;
  /// What was remembered has this token at position known_tokens; negative: it ends there.
  int32_t remembered_token = -1;
  int64_t generated_tokens = 0;  // with the end token
  double queue_seconds = 0;      // until a place was free
  double prefill_seconds = 0;    // from then to the first token
  double decode_seconds = 0;     // of all generated tokens but the first

  /// 0 where no time was spent.
  double decode_tokens_per_s() const {
    return decode_seconds > 0 ? static_cast<double>(generated_tokens - 1) / decode_seconds : 0.0;
  }
};

/// Hears of a request's progress, in the engine's thread, between forward passes.
class GenerationObserver {
 public:
  virtual ~GenerationObserver() = default;

  /// Whether it cannot take more for now. Asked before each pass: the request rests then, alone,
  /// and keeps its place.
  virtual bool behind() const noexcept { return false; }
  /// `done` tokens of the prompt are computed or were cached.
  virtual void on_prompt(int64_t /*done*/) noexcept {}
  /// With GenerationRequest::prompt_logits, for each token of the prompt but the last: what the
  /// model expected behind it. [vocab]
  virtual void on_prompt_logits(int64_t /*index*/, std::span<const float> /*logits*/) noexcept {}
  /// With GenerationRequest::answer_logits: what the model expected where the token came. [vocab]
  /// Before on_token, and before the end of the answer for the end token.
  virtual void on_logits(int32_t /*token*/, std::span<const float> /*logits*/) noexcept {}
  /// A token of the answer, not the end token that ends it. False ends the answer after it.
  virtual bool on_token(int32_t token) noexcept = 0;
  /// The token that must come next instead of a drawn one; negative: none.
  virtual int32_t forced_token() noexcept { return -1; }
  /// The last call.
  virtual void on_finish(FinishReason reason, const GenerationUsage& usage) noexcept = 0;
};

struct GenerationRequest {
  std::vector<int32_t> prompt;  // not empty
  /// Positions in the prompt, ascending, at which the state is worth keeping: where a later prompt
  /// may part from this one, e.g. at the end of a message.
  std::vector<int64_t> boundaries = {};
  bool keeps_end = true;   // the state after the answer, where a conversation goes on
  int64_t max_tokens = 0;  // 0: the prompt is computed, and that is all
  SamplingParameters sampling = {};
  GenerationObserver* observer = nullptr;  // outlives the request
  Constraint* constraint = nullptr;        // likewise; null: any token
  int64_t priority = 0;                    // higher ones are started first
  uint64_t client = 0;                     // of equals, who has the fewest places is next
  bool ends_at_end_token = true;           // false: goes on behind it
  bool prompt_logits = false;              // all of the prompt is computed then, nothing found
  bool answer_logits = false;
};

/// Names a request; never used twice.
using RequestId = uint64_t;

}  // namespace hearth
