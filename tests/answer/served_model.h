// An EngineAnswerService over the test checkpoint, in a thread of its own as in a server, and those
// who listen to it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "answer/engine_answer_service.h"

namespace hearth::testing {

/// Everything that a request was told.
class Listener : public AnswerSink {
 public:
  void take(AnswerEvent event) noexcept override;
  bool full() const noexcept override { return behind; }

  /// Until the last event, or one of a kind, has come. False after minutes without it.
  bool wait();
  template <typename Event>
  bool wait_for() {
    return wait_until(
        [](const AnswerEvent& event) { return std::holds_alternative<Event>(event.what); });
  }

  // Of events that have come; to be read when no more will.
  std::string thinking(int64_t choice = 0) const {
    return text(TextDelta::Part::kThinking, choice);
  }
  std::string answer(int64_t choice = 0) const { return text(TextDelta::Part::kAnswer, choice); }
  const AnswerDone& done() const;
  const ApiError* error() const;
  std::optional<ChoiceFinished::Reason> reason(int64_t choice = 0) const;
  std::vector<PlaceLogprobs> logprobs() const;  // of the answer
  std::vector<AnswerEvent> events() const;

  std::atomic<bool> behind = false;
  std::function<void(const AnswerEvent& event)> on_event = {};  // called before it is noted

 private:
  std::string text(TextDelta::Part part, int64_t choice) const;
  bool wait_until(const std::function<bool(const AnswerEvent&)>& is);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<AnswerEvent> events_;
};

inline constexpr const char* kCheckpoint = "tests/checkpoints/int4-mixed";

class ServedModel {
 public:
  /// The template and tokenizer are those of `folder`.
  explicit ServedModel(const RunNeeds& needs, AnswerServiceOptions options = {},
                       const std::filesystem::path& folder = kCheckpoint);
  /// Stops, and expects every place and every page to be free.
  ~ServedModel();

  EngineAnswerService& service() { return *service_; }

  /// Submits a request and waits for its end.
  std::shared_ptr<Listener> answer(AnswerRequest request);

  /// Until no slot is busy and nothing waits. False after minutes.
  bool wait_idle();

 private:
  void serve(const RunNeeds& needs, const AnswerServiceOptions& options,
             const std::filesystem::path& folder);

  std::promise<EngineAnswerService*> started_;
  std::promise<void> stopped_;
  EngineAnswerService* service_ = nullptr;
  std::thread thread_;
};

/// Tokens that `seed` chooses, to be continued greedily.
AnswerRequest raw_request(uint32_t seed, size_t tokens, int64_t max_tokens);

/// Biases that leave words of ASCII letters alone, so that an answer is text without surprises.
std::vector<LogitBias> words_only(const Tokenizer& tokenizer, int64_t vocab_size);

}  // namespace hearth::testing
