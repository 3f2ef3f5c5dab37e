// A request on its way through EngineAnswerService, and the choices of its answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "answer/answer_constraint.h"
#include "answer/answer_event.h"
#include "answer/answer_output.h"
#include "answer/answer_request.h"
#include "answer/answer_service.h"
#include "answer/chat_format.h"
#include "engine/generation.h"

namespace hearth {

class AnswerRun;

/// One choice: hears what the engine draws and tells the sink what that means.
class AnswerChoice : public GenerationObserver {
 public:
  /// The run must outlive it. Throws UsageError for an empty stop string.
  AnswerChoice(AnswerRun& run, int64_t index);

  /// What the engine is to do for it.
  GenerationRequest generation();

  bool behind() const noexcept override;
  void on_prompt(int64_t done) noexcept override;
  void on_prompt_logits(int64_t index, std::span<const float> logits) noexcept override;
  void on_logits(int32_t token, std::span<const float> logits) noexcept override;
  bool on_token(int32_t token) noexcept override;
  int32_t forced_token() noexcept override { return output_.forced_token(); }
  void on_finish(FinishReason reason, const GenerationUsage& usage) noexcept override;

  RequestId id = 0;  // in the engine; 0: not submitted yet

 private:
  PlaceLogprobs logprobs(int32_t token, std::span<const float> logits) const;
  PlaceLogprobs first_logprobs() const;
  void tell(std::vector<AnswerOutput::Event> events);

  AnswerRun& run_;
  int64_t index_;
  AnswerOutput output_;
  std::optional<AnswerConstraint> constraint_;
  std::vector<int32_t> tokens_;
  std::vector<PlaceLogprobs> prompt_logprobs_;
  std::optional<PlaceLogprobs> next_logprobs_;  // of the token that comes now
};

class AnswerRun {
 public:
  AnswerRun(AnswerId run_id, AnswerRequest asked, std::shared_ptr<AnswerSink> told,
            std::atomic<int64_t>& waiting_count)
      : id(run_id), request(std::move(asked)), sink(std::move(told)), waiting_(&waiting_count) {
    ++*waiting_;
  }
  ~AnswerRun() { leave_queue(); }
  AnswerRun(const AnswerRun&) = delete;
  AnswerRun& operator=(const AnswerRun&) = delete;

  /// Makes the choices. `room` is what the context leaves for each answer.
  void prepare(ChatFormat& chat_format, ChatPrompt made, std::vector<int64_t> keep_at,
               int64_t room);
  /// Before prepare(): what each choice is kept to.
  void constrain(TokenMatcher grammar, const ConstraintTokens& tokens) {
    matcher.emplace(std::move(grammar));
    constraint_tokens = &tokens;
  }

  /// It waits no longer: it was started, or it has ended.
  void leave_queue() {
    if (!left_queue_.exchange(true)) --*waiting_;
  }

  /// Nothing, once it was cancelled.
  void tell(int64_t choice, AnswerOutput::Event event);

  bool ended() const { return finished == static_cast<int64_t>(choices.size()); }
  void choice_finished(int64_t choice, const GenerationUsage& cost);

  const AnswerId id;
  AnswerRequest request;
  const std::shared_ptr<AnswerSink> sink;
  std::atomic<bool> cancelled = false;

  // Since it was prepared; then of the engine's thread alone.
  ChatFormat* format = nullptr;
  ChatPrompt prompt;
  std::vector<int64_t> boundaries;
  std::optional<TokenMatcher> matcher;  // each choice forks it; none: answers are free
  const ConstraintTokens* constraint_tokens = nullptr;  // of it
  int64_t max_tokens = 0;
  std::vector<std::unique_ptr<AnswerChoice>> choices;
  size_t submitted = 0;       // choices, the first ones
  int64_t finished = 0;       // choices
  int64_t cached = -1;        // tokens of the prompt; -1: not known yet
  bool prompt_done = false;   // by the first choice: the others find its state
  AnswerDone done;            // as far as choices have finished
  int64_t prompt_tokens = 0;  // of all choices that have finished
  int64_t cached_tokens = 0;  // of these

 private:
  void note_miss();

  std::atomic<int64_t>* waiting_;  // requests of the service that wait
  std::atomic<bool> left_queue_ = false;
};

}  // namespace hearth
