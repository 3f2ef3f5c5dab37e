#include "server/dialect/answer_stream.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "base/clock.h"
#include "server/http/sse.h"

namespace hearth {
namespace {

/// Events that wait for the exchange's thread before their requests have to rest. A forward pass
/// makes one or a few, so this is only reached when that thread is stuck.
constexpr size_t kWaitingMax = 256;

bool is_text(const AnswerEvent& event) {
  return std::holds_alternative<TextDelta>(event.what) ||
         std::holds_alternative<ToolCallBegin>(event.what);
}

/// Shared by its sinks and the tasks that it posts. The exchange knows it only weakly: it goes when
/// the service has let go of its sinks.
class AnswerStream : public std::enable_shared_from_this<AnswerStream> {
 public:
  AnswerStream(const Api& api, std::shared_ptr<Exchange> exchange, AnswerPlan plan)
      : service_(api.service),
        metrics_(api.metrics),
        exchange_(std::move(exchange)),
        plan_(std::move(plan)),
        requests_(plan_.requests.size()) {
    for (AnswerRequest& request : plan_.requests) request.client = exchange_->request().client;
  }

  void start() {
    exchange_->on_drained([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->drained();
    });
    exchange_->on_gone([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->gone();
    });
    const size_t slots = std::max<size_t>(service_.status().slots.size(), 1);
    while (!over_ && next_ < std::min(slots, requests_.size())) submit_next();
  }

  // In the service's thread.
  void take(size_t request, AnswerEvent event) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({request, std::move(event)});
      if (std::exchange(posted_, true)) return;
    }
    exchange_->post([self = shared_from_this()] { self->deliver(); });
  }
  bool full(size_t request) {
    const std::lock_guard lock(mutex_);
    const bool full = congested_ || waiting_.size() >= kWaitingMax;
    if (full) requests_[request].rests = true;
    return full;
  }

 private:
  struct Waiting {
    size_t request;
    AnswerEvent event;
  };
  struct Request {
    std::optional<AnswerId> id;  // while it runs
    bool ended = false;
    bool rests = false;  // under mutex_
  };

  class Sink : public AnswerSink {
   public:
    Sink(std::shared_ptr<AnswerStream> stream, size_t request)
        : stream_(std::move(stream)), request_(request) {}
    void take(AnswerEvent event) noexcept override { stream_->take(request_, std::move(event)); }
    bool full() const noexcept override { return stream_->full(request_); }

   private:
    std::shared_ptr<AnswerStream> stream_;
    size_t request_;
  };

  // All that follows is in the thread of the exchange.

  void submit_next() {
    const size_t request = next_++;
    const AnswerId id = service_.submit(std::move(plan_.requests[request]),
                                        std::make_shared<Sink>(shared_from_this(), request));
    // An exchange that runs posted tasks at once may have heard the end already.
    if (!requests_[request].ended) requests_[request].id = id;
  }

  void deliver() {
    std::vector<Waiting> events;
    {
      const std::lock_guard lock(mutex_);
      events.swap(waiting_);
      posted_ = false;
    }
    std::string text;
    for (const Waiting& each : events) {
      if (over_) return;
      try {
        handle(each, text);
      } catch (const std::exception& error) {
        end_with(ApiError(ApiError::Kind::kInternal,
                          std::string("An answer could not be written down: ") + error.what()),
                 text);
      }
    }
    if (over_) return;
    if (begun_ && !text.empty()) exchange_->write(std::move(text));
    update_congestion();
  }

  void handle(const Waiting& each, std::string& text) {
    if (const auto* const failed = std::get_if<AnswerFailed>(&each.event.what)) {
      requests_[each.request].ended = true;
      requests_[each.request].id.reset();
      end_with(failed->error, text);
      return;
    }
    if (plan_.stream && !begun_) begin();
    if (is_text(each.event) && !std::exchange(has_text_, true)) {
      metrics_->first_text(stopwatch_.seconds());
    }
    text += plan_.writer->take(each.request, each.event);
    if (!std::holds_alternative<AnswerDone>(each.event.what)) return;
    requests_[each.request].ended = true;
    requests_[each.request].id.reset();
    if (++done_ == requests_.size()) {
      end(text);
    } else if (next_ < requests_.size()) {
      submit_next();
    }
  }

  void begin() {
    begun_ = true;
    HttpResponse head;
    head.content_type = std::string(kSseType);
    head.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
    exchange_->begin_stream(std::move(head));
  }

  void end(std::string& text) {
    text += plan_.writer->finish();
    over_ = true;
    metrics_->count(exchange_->request().path, "ok");
    if (begun_) {
      exchange_->write(std::move(text));
      exchange_->end();
    } else {
      HttpResponse whole;
      whole.body = std::move(text);
      exchange_->respond(std::move(whole));
    }
  }

  void end_with(const ApiError& error, std::string& text) {
    over_ = true;
    metrics_->count(exchange_->request().path, "failed");
    cancel_all();
    if (begun_) {
      exchange_->write(text + plan_.writer->fail(error));
      exchange_->end();
    } else {
      exchange_->respond(plan_.writer->refuse(error));
    }
  }

  void gone() {
    if (over_) return;
    over_ = true;
    metrics_->count(exchange_->request().path, "gone");
    cancel_all();
  }

  void cancel_all() {
    for (Request& request : requests_) {
      if (request.id) service_.cancel(*request.id);
      request.id.reset();
    }
  }

  void drained() {
    if (!over_) update_congestion();
  }

  void update_congestion() {
    std::vector<AnswerId> resting;
    {
      const std::lock_guard lock(mutex_);
      congested_ = begun_ && exchange_->congested();
      if (congested_) return;
      for (Request& request : requests_) {
        if (request.id && std::exchange(request.rests, false)) resting.push_back(*request.id);
      }
    }
    for (const AnswerId id : resting) service_.resume(id);
  }

  AnswerService& service_;
  const std::shared_ptr<RequestMetrics> metrics_;
  const std::shared_ptr<Exchange> exchange_;
  AnswerPlan plan_;
  Stopwatch stopwatch_;

  std::vector<Request> requests_;
  size_t next_ = 0;  // to submit
  size_t done_ = 0;
  bool begun_ = false;  // the stream
  bool over_ = false;
  bool has_text_ = false;

  std::mutex mutex_;
  std::vector<Waiting> waiting_;
  bool posted_ = false;  // a task that will take what waits
  bool congested_ = false;
};

}  // namespace

void answer(const Api& api, const std::shared_ptr<Exchange>& exchange, AnswerPlan plan) {
  CHECK(!plan.requests.empty() && plan.writer);
  std::make_shared<AnswerStream>(api, exchange, std::move(plan))->start();
}

}  // namespace hearth
