// The AnswerService of an engine.
//
// Three kinds of threads meet here. Those that ask only leave requests behind. One that the service
// has renders and encodes what they left. The thread that made the engine calls run() and is the
// only one that touches it; between two forward passes it looks for what the others left.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "answer/answer_constraint.h"
#include "answer/answer_run.h"
#include "answer/answer_service.h"
#include "answer/chat_format.h"
#include "answer/sequence_breakers.h"
#include "engine/engine.h"

namespace hearth {

struct AnswerServiceOptions {
  std::string model_name = {};
  SamplingParameters sampling = {};  // the defaults
  int64_t most_waiting = 64;         // requests that have not been started
  int64_t context_tokens = 0;        // most of a prompt and its answer; 0: what the engine has
  /// What constraints need for all requests is made at once, in the background, instead of for the
  /// first request that has one.
  bool expects_constraints = false;
  /// Called in the engine's thread, once; may be empty.
  std::function<void()> on_first_token = {};
};

class EngineAnswerService : public AnswerService {
 public:
  /// Engine and format must outlive the service. Starts a thread, which inherits what the caller is
  /// pinned to.
  EngineAnswerService(Engine& engine, const ModelConfig& config, ChatFormat& format,
                      AnswerServiceOptions options);
  /// After run() has returned.
  ~EngineAnswerService() override;

  /// Answers until stop(); to be called by the thread that made the engine.
  void run();

  /// Has run() return after the pass in progress. What has not ended by then gets AnswerFailed with
  /// kUnavailable, and so does what comes later. From any thread.
  void stop();

  AnswerId submit(AnswerRequest request, std::shared_ptr<AnswerSink> sink) override;
  void cancel(AnswerId id) override;
  void resume(AnswerId id) override;
  ServiceStatus status() const override;
  const ExpertUses& expert_uses() const override { return engine_.expert_uses(); }
  PreparedInput prepare(const AnswerRequest& request) const override;
  std::vector<int32_t> tokenize(const std::string& text, bool special) const override;
  std::string detokenize(const std::vector<int32_t>& tokens) const override;
  const SamplingParameters& default_sampling() const override { return options_.sampling; }
  const std::string& model_name() const override { return options_.model_name; }
  int64_t vocab_size() const override { return config_.vocab_size; }

 private:
  using Run = std::shared_ptr<AnswerRun>;

  ChatPrompt prompt_of(const AnswerRequest& request) const;
  std::vector<int64_t> boundaries_of(const ChatPrompt& prompt, bool chat, int64_t choices) const;
  void prepare_runs();
  void prepare_run(AnswerRun& run);
  void fail(const Run& run, const ApiError& error);
  void forget(const AnswerRun& run);

  // Of the engine's thread.
  bool take_work(bool idle);
  void start_choices();
  void submit_choice(AnswerRun& run);
  void end_cancelled();
  void sweep();
  void publish();
  void fail_all();

  Engine& engine_;
  const ModelConfig& config_;
  ChatFormat& format_;
  AnswerServiceOptions options_;
  int64_t context_tokens_;
  std::atomic<int64_t> waiting_ = 0;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable preparation_wakes_;
  std::condition_variable engine_wakes_;
  bool stopping_ = false;
  bool news_ = false;  // for the engine's thread, beside `prepared_`
  AnswerId last_id_ = 0;
  std::unordered_map<AnswerId, Run> live_;  // submitted, not ended
  std::deque<Run> unprepared_;
  std::vector<Run> prepared_;
  ServiceStatus status_;

  // Of the engine's thread.
  std::vector<Run> runs_;
  std::unordered_map<RequestId, AnswerId> owners_;
  ServiceStatus totals_;  // slots and counts, before they are published
  bool had_token_ = false;

  SequenceBreakers breakers_;  // of the preparation, like the next
  ConstraintCompiler constraints_;
  std::thread preparation_;  // the last: it uses all of the above
};

}  // namespace hearth
