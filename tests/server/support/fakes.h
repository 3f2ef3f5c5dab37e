// An answer service that says what it is told to, and an exchange that remembers what it was given.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "answer/answer_service.h"
#include "server/http/exchange.h"

namespace hearth::testing {

/// Each request hears the events of `script`, within submit() or, if `waits`, from play().
class FakeService : public AnswerService {
 public:
  AnswerId submit(AnswerRequest request, std::shared_ptr<AnswerSink> sink) override;
  void cancel(AnswerId id) override { cancelled.push_back(id); }
  void resume(AnswerId id) override { resumed.push_back(id); }
  ServiceStatus status() const override;
  const ExpertUses& expert_uses() const override { return uses; }
  PreparedInput prepare(const AnswerRequest& request) const override;
  std::vector<int32_t> tokenize(const std::string& text, bool special) const override;
  std::string detokenize(const std::vector<int32_t>& tokens) const override;
  const SamplingParameters& default_sampling() const override { return sampling; }
  const std::string& model_name() const override { return name; }
  int64_t vocab_size() const override { return 1000; }

  /// Tells all requests that wait their events.
  void play();

  std::vector<AnswerEvent> script;
  bool waits = false;
  SamplingParameters sampling;
  std::string name = "ember";
  ExpertUses uses{2, 4};
  std::optional<ApiError> prepare_error;
  std::vector<int32_t> prepared = {1, 2, 3};

  std::vector<AnswerRequest> requests;
  std::vector<AnswerId> cancelled;
  std::vector<AnswerId> resumed;

 private:
  void tell(AnswerSink& sink) const;

  std::vector<std::shared_ptr<AnswerSink>> waiting_;
};

/// Runs posted tasks at once.
class FakeExchange : public Exchange {
 public:
  using Exchange::Exchange;

  void respond(HttpResponse response) override;
  void begin_stream(HttpResponse head) override;
  void write(std::string piece) override { stream += piece; }
  void end() override { ended = true; }
  size_t queued_bytes() const override { return 0; }
  bool congested() const override { return false; }
  void post(std::function<void()> task) override { task(); }

  void go() const {
    if (gone_) gone_();
  }

  std::optional<HttpResponse> response;  // of respond()
  std::optional<HttpResponse> head;      // of begin_stream()
  std::string stream;
  bool ended = false;
};

/// Waits for the end of an answer that comes from another thread.
class PatientExchange : public FakeExchange {
 public:
  using FakeExchange::FakeExchange;

  void post(std::function<void()> task) override;
  void wait();

 private:
  std::recursive_mutex mutex_;  // tasks post tasks
  std::condition_variable_any wakes_;
};

/// A POST of a body to a path.
HttpRequest post_request(const std::string& path, const std::string& body);

/// What a route answers, also from another thread.
HttpResponse respond(const Route& route, HttpRequest request);

}  // namespace hearth::testing
