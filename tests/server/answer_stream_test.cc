// Events on their way from the service's thread to the client: order, rest, ends.
#include "server/dialect/answer_stream.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "server/dialect/answering_route.h"
#include "tests/server/support/fakes.h"
#include "tests/server/support/scripts.h"

namespace hearth {
namespace {

using testing::FakeExchange;
using testing::FakeService;

/// Keeps the sinks: the test says when they hear what.
class ManualService : public FakeService {
 public:
  explicit ManualService(size_t slots = 1) : slots_(slots) {}

  AnswerId submit(AnswerRequest request, std::shared_ptr<AnswerSink> sink) override {
    requests.push_back(std::move(request));
    sinks.push_back(std::move(sink));
    return sinks.size();
  }
  ServiceStatus status() const override {
    ServiceStatus status;
    status.slots.resize(slots_);
    return status;
  }

  std::vector<std::shared_ptr<AnswerSink>> sinks;

 private:
  size_t slots_;
};

/// Runs tasks when it is told to, in the thread that tells it.
class QueueExchange : public FakeExchange {
 public:
  explicit QueueExchange(std::string body = "")
      : FakeExchange(HttpRequest{.method = "POST",
                                 .path = "/answer",
                                 .query = "",
                                 .headers = {},
                                 .body = std::move(body),
                                 .id = "",
                                 .client = ""}) {}

  void post(std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    wakes_.notify_one();
  }
  bool congested() const override { return is_congested; }
  void write(std::string piece) override {
    ++writes;
    FakeExchange::write(std::move(piece));
  }

  size_t run() {
    std::deque<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
    return tasks.size();
  }
  void run_until_over() {
    while (!ended && !response) run_next();
  }
  void run_next() {
    {
      std::unique_lock lock(mutex_);
      wakes_.wait(lock, [this] { return !tasks_.empty(); });
    }
    run();
  }
  void drain() {
    is_congested = false;
    if (drained_) drained_();
  }

  bool is_congested = false;
  size_t writes = 0;

 private:
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::deque<std::function<void()>> tasks_;
};

HttpResponse plain_refusal(const ApiError& error, const std::string& /*request_id*/) {
  return {.status = error.status(), .body = error.what()};
}

/// Writes "REQUEST:TEXT;".
class PlainWriter : public AnswerWriter {
 public:
  explicit PlainWriter(bool stream) : stream_(stream) {}

  std::string take(size_t request, const AnswerEvent& event) override {
    const auto* const delta = std::get_if<TextDelta>(&event.what);
    if (!delta) return "";
    if (delta->text == "throw") throw std::runtime_error("told to");
    const std::string text = std::to_string(request) + ":" + delta->text + ";";
    if (stream_) return text;
    whole_ += text;
    return "";
  }
  std::string finish() override { return stream_ ? "[end]" : whole_; }
  HttpResponse refuse(const ApiError& error) override { return plain_refusal(error, ""); }
  std::string fail(const ApiError& error) override { return std::string("!") + error.what(); }

 private:
  bool stream_;
  std::string whole_;
};

class AnswerStreamTest : public ::testing::Test {
 protected:
  void start(bool stream, size_t requests = 1) {
    AnswerPlan plan;
    plan.stream = stream;
    plan.requests.resize(requests);
    plan.writer = std::make_unique<PlainWriter>(stream);
    answer(*api_, exchange_, std::move(plan));
  }
  void take(size_t request, AnswerEvent event) {
    service_.sinks.at(request)->take(std::move(event));
  }
  void accept(size_t request = 0) { take(request, {.what = AnswerAccepted{.prompt_tokens = 1}}); }
  void finish(size_t request = 0) {
    for (const AnswerEvent& event : testing::ending(ChoiceFinished::Reason::kEnd)) {
      take(request, event);
    }
  }
  void fail(ApiError::Kind kind, size_t request = 0) {
    take(request, {.what = AnswerFailed{ApiError(kind, "no")}});
  }

  ManualService service_;
  std::shared_ptr<Api> api_ = std::make_shared<Api>(service_, ApiSettings());
  std::shared_ptr<QueueExchange> exchange_ = std::make_shared<QueueExchange>();
};

TEST_F(AnswerStreamTest, AStreamBeginsWhenTheRequestIsAccepted) {
  start(true);
  EXPECT_FALSE(exchange_->head);
  accept();
  EXPECT_FALSE(exchange_->head) << "only in the exchange's thread";
  exchange_->run();
  ASSERT_TRUE(exchange_->head);
  EXPECT_EQ(exchange_->head->status, 200);
  EXPECT_EQ(exchange_->head->content_type, "text/event-stream");
  EXPECT_EQ(exchange_->stream, "");
  take(0, testing::text("a"));
  take(0, testing::text("b"));
  EXPECT_EQ(exchange_->run(), 1u) << "one task for all that waits";
  EXPECT_EQ(exchange_->stream, "0:a;0:b;");
  EXPECT_EQ(exchange_->writes, 1u);
  finish();
  exchange_->run();
  EXPECT_EQ(exchange_->stream, "0:a;0:b;[end]");
  EXPECT_TRUE(exchange_->ended);
}

TEST_F(AnswerStreamTest, AWholeAnswerComesAtTheEnd) {
  start(false);
  accept();
  take(0, testing::text("a"));
  exchange_->run();
  EXPECT_FALSE(exchange_->response);
  finish();
  exchange_->run();
  ASSERT_TRUE(exchange_->response);
  EXPECT_EQ(exchange_->response->body, "0:a;");
  EXPECT_EQ(exchange_->response->content_type, "application/json");
  EXPECT_FALSE(exchange_->head);
}

TEST_F(AnswerStreamTest, ErrorsBeforeTheStreamHaveAStatus) {
  for (const bool stream : {false, true}) {
    service_.sinks.clear();
    exchange_ = std::make_shared<QueueExchange>();
    start(stream);
    fail(ApiError::Kind::kOverloaded);
    exchange_->run();
    ASSERT_TRUE(exchange_->response);
    EXPECT_EQ(exchange_->response->status, 429);
    EXPECT_EQ(exchange_->response->body, "no");
    EXPECT_FALSE(exchange_->head);
  }
}

TEST_F(AnswerStreamTest, ErrorsWithinTheStreamEndIt) {
  start(true);
  accept();
  take(0, testing::text("a"));
  fail(ApiError::Kind::kInternal);
  exchange_->run();
  EXPECT_EQ(exchange_->stream, "0:a;!no");
  EXPECT_TRUE(exchange_->ended);
  EXPECT_FALSE(exchange_->response);
}

TEST(ApiError, ACopyForAnotherThreadSharesNothing) {
  const ApiError error(ApiError::Kind::kInvalid, "a message too long for the string itself",
                       "tools");
  const ApiError copy = error;
  EXPECT_STREQ(copy.what(), error.what());
  EXPECT_NE(static_cast<const void*>(copy.what()), static_cast<const void*>(error.what()));
}

TEST_F(AnswerStreamTest, AnExceptionOfTheWriterEndsTheRequest) {
  start(true);
  accept();
  take(0, testing::text("a"));
  take(0, testing::text("throw"));
  take(0, testing::text("b"));
  exchange_->run();
  EXPECT_EQ(exchange_->stream, "0:a;!An answer could not be written down: told to");
  EXPECT_TRUE(exchange_->ended);
  EXPECT_EQ(service_.cancelled, std::vector<AnswerId>{1});
}

TEST_F(AnswerStreamTest, AClientThatGoesCancels) {
  for (const bool stream : {false, true}) {
    service_.sinks.clear();
    service_.cancelled.clear();
    exchange_ = std::make_shared<QueueExchange>();
    start(stream);
    accept();
    exchange_->run();
    exchange_->go();
    EXPECT_EQ(service_.cancelled, std::vector<AnswerId>{1});
    take(0, testing::text("late"));
    exchange_->run();
    EXPECT_EQ(exchange_->stream, "");
    EXPECT_FALSE(exchange_->ended);
    exchange_->go();
    EXPECT_EQ(service_.cancelled.size(), 1u) << "once";
  }
}

TEST_F(AnswerStreamTest, NothingIsCancelledAfterTheEnd) {
  start(true);
  accept();
  finish();
  exchange_->run();
  exchange_->go();
  EXPECT_TRUE(service_.cancelled.empty());
}

TEST_F(AnswerStreamTest, ACongestedClientMakesItsRequestRest) {
  start(true);
  accept();
  exchange_->run();
  EXPECT_FALSE(service_.sinks[0]->full());
  exchange_->is_congested = true;
  take(0, testing::text("a"));
  exchange_->run();
  EXPECT_TRUE(service_.sinks[0]->full());
  EXPECT_TRUE(service_.resumed.empty());
  exchange_->drain();
  EXPECT_EQ(service_.resumed, std::vector<AnswerId>{1});
  EXPECT_FALSE(service_.sinks[0]->full());
  exchange_->drain();
  EXPECT_EQ(service_.resumed.size(), 1u) << "only who rests is woken";
}

TEST_F(AnswerStreamTest, ABusyThreadMakesRequestsRest) {
  start(true);
  accept();
  int events = 0;
  while (!service_.sinks[0]->full()) {
    ASSERT_LT(++events, 10'000);
    take(0, testing::text("x"));
  }
  EXPECT_GT(events, 100);
  exchange_->run();
  EXPECT_EQ(service_.resumed, std::vector<AnswerId>{1});
  EXPECT_FALSE(service_.sinks[0]->full());
}

TEST_F(AnswerStreamTest, ManyRequestsTakeTheirTurns) {
  service_ = ManualService(2);
  start(false, 4);
  EXPECT_EQ(service_.sinks.size(), 2u) << "no more than there are slots";
  for (const size_t request : {1, 0, 2, 3}) {
    accept(request);
    take(request, testing::text("t"));
    finish(request);
    exchange_->run();
  }
  EXPECT_EQ(service_.sinks.size(), 4u);
  ASSERT_TRUE(exchange_->response);
  EXPECT_EQ(exchange_->response->body, "1:t;0:t;2:t;3:t;");
}

TEST_F(AnswerStreamTest, TheFirstOfManyThatFailsEndsTheOthers) {
  service_ = ManualService(3);
  start(false, 5);
  accept(0);
  finish(0);
  exchange_->run();
  fail(ApiError::Kind::kContextLength, 2);
  take(1, testing::text("late"));
  exchange_->run();
  ASSERT_TRUE(exchange_->response);
  EXPECT_EQ(exchange_->response->status, 400);
  EXPECT_EQ(service_.cancelled, (std::vector<AnswerId>{2, 4}));
  EXPECT_EQ(service_.sinks.size(), 4u) << "and no other begins";
}

TEST_F(AnswerStreamTest, EventsFromAnotherThreadArriveInOrder) {
  constexpr int kEvents = 20'000;
  start(true);
  std::thread engine([&] {
    accept();
    for (int i = 0; i < kEvents; ++i) {
      while (service_.sinks[0]->full()) std::this_thread::yield();
      take(0, testing::text(std::to_string(i)));
    }
    finish();
  });
  exchange_->run_until_over();
  engine.join();
  std::string expected;
  for (int i = 0; i < kEvents; ++i) expected += "0:" + std::to_string(i) + ";";
  EXPECT_EQ(exchange_->stream, expected + "[end]");
}

TEST_F(AnswerStreamTest, LargeBodiesAreUnderstoodInTheBackground) {
  const auto ask = [&](size_t bytes, bool good) {
    service_.sinks.clear();
    exchange_ = std::make_shared<QueueExchange>(std::string(bytes, 'x'));
    std::thread::id thread;
    const auto plan_of = [&](const Api&, const HttpRequest& request) {
      thread = std::this_thread::get_id();
      if (!good) throw ApiError(ApiError::Kind::kInvalid, "bad");
      AnswerPlan plan;
      plan.requests.resize(1);
      plan.requests.front().max_tokens = static_cast<int64_t>(request.body.size());
      plan.writer = std::make_unique<PlainWriter>(false);
      return plan;
    };
    const Route route = answering_route("/answer", api_, plan_of, plain_refusal);
    route.handle(exchange_);
    if (bytes > 100'000) {
      EXPECT_TRUE(service_.sinks.empty()) << "submitted in another thread";
      exchange_->run_next();
    }
    return thread == std::this_thread::get_id();
  };
  for (const int64_t bytes : {10, 1'000'000}) {
    EXPECT_EQ(ask(static_cast<size_t>(bytes), true), bytes == 10) << "which thread";
    ASSERT_EQ(service_.sinks.size(), 1u);
    EXPECT_EQ(service_.requests.back().max_tokens, bytes);
    ask(static_cast<size_t>(bytes), false);
    ASSERT_TRUE(exchange_->response);
    EXPECT_EQ(exchange_->response->status, 400);
    EXPECT_EQ(exchange_->response->body, "bad");
  }
}

TEST_F(AnswerStreamTest, AFullBackgroundRefuses) {
  std::promise<void> go;
  const auto wait = [gate = go.get_future().share()](const Api&, const HttpRequest&) {
    gate.wait();
    return HttpResponse{};
  };
  const Route route = computing_route("/compute", api_, wait, plain_refusal);
  std::vector<std::shared_ptr<QueueExchange>> exchanges;
  do {
    ASSERT_LT(exchanges.size(), 1000u);
    exchanges.push_back(std::make_shared<QueueExchange>());
    route.handle(exchanges.back());
  } while (!exchanges.back()->response);
  EXPECT_EQ(exchanges.back()->response->status, 429);
  go.set_value();
  exchanges.pop_back();
  for (const auto& exchange : exchanges) {
    exchange->run_until_over();
    EXPECT_EQ(exchange->response->status, 200);
  }
}

TEST_F(AnswerStreamTest, NothingIsKeptAliveAfterTheEnd) {
  start(true);
  accept();
  finish();
  exchange_->run();
  service_.sinks.clear();
  const std::weak_ptr<QueueExchange> weak = exchange_;
  exchange_.reset();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace hearth
