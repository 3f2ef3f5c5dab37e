#include "tests/server/support/dialect_test.h"

#include <utility>

namespace hearth::testing {
namespace {

/// Whether it is understood in another thread.
bool is_large(const std::string& body) { return body.size() > 64 << 10; }

}  // namespace

DialectTest::DialectTest(MakeRoute make_route, Json question)
    : question_(std::move(question)), make_route_(make_route) {
  settings_.version = "1.2";
  settings_.now = [] { return int64_t{1700000000}; };
  settings_.new_id = [] { return std::string("X"); };
}

std::shared_ptr<FakeExchange> DialectTest::ask(const std::string& body) {
  const Route asked = route();
  HttpRequest request = post_request(asked.path, body);
  if (!is_large(body)) {
    const auto exchange = std::make_shared<FakeExchange>(std::move(request));
    asked.handle(exchange);
    return exchange;
  }
  const auto exchange = std::make_shared<PatientExchange>(std::move(request));
  asked.handle(exchange);
  exchange->wait();
  return exchange;
}

AnswerRequest DialectTest::request(const std::string& body) {
  ask(body);
  if (!service_.requests.empty()) return service_.requests.back();
  ADD_FAILURE() << "refused: " << body;
  return {};
}

std::string DialectTest::refusal(const std::string& body) {
  const size_t before = service_.requests.size();
  const auto exchange = ask(body);
  if (!exchange->response || exchange->response->status != 400) return "accepted";
  EXPECT_EQ(service_.requests.size(), before);
  const Json error = Json::parse(exchange->response->body)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["code"], nullptr);
  const std::string param = error["param"].is_null() ? "" : error["param"].get<std::string>();
  return param + ": " + error["message"].get<std::string>();
}

void DialectTest::expect_answered_or_refused(const Json& valid, uint64_t seed) {
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    Json damaged = valid;
    damage(damaged, random);
    const auto exchange = post(damaged);
    ASSERT_TRUE(exchange->response || exchange->ended) << damaged;
    if (!exchange->response || exchange->response->status == 200) continue;
    ++refused;
    ASSERT_EQ(exchange->response->status, 400) << damaged << exchange->response->body;
  }
  EXPECT_GT(refused, 100);
  EXPECT_LT(refused, 1000);
}

Json DialectTest::whole(const std::string& body) {
  const auto exchange = ask(body);
  if (!exchange->response) {
    ADD_FAILURE() << "no response to " << body;
    return {};
  }
  EXPECT_EQ(exchange->response->status, 200) << exchange->response->body;
  return Json::parse(exchange->response->body, nullptr, false);
}

Json DialectTest::whole(const Script& script, const Json& body) {
  service_.script = script;
  return whole(body.dump());
}

std::vector<SseEvent> DialectTest::stream(const Script& script, Json body) {
  service_.script = script;
  body["stream"] = true;
  const auto exchange = post(body);
  if (!exchange->head) {
    ADD_FAILURE() << "no stream";
    return {};
  }
  EXPECT_EQ(exchange->head->content_type, "text/event-stream");
  EXPECT_TRUE(exchange->ended);
  return sse_events(exchange->stream);
}

void expect_refused(const std::vector<BadBody>& rows, const ReadBody& read) {
  for (const BadBody& row : rows) {
    try {
      read(row.body);
      ADD_FAILURE() << "accepted: " << row.body;
    } catch (const ApiError& error) {
      EXPECT_EQ(error.kind(), ApiError::Kind::kInvalid) << row.body;
      EXPECT_EQ(error.parameter(), row.parameter) << row.body;
      EXPECT_EQ(std::string(error.what()), row.message);
    }
  }
}

void expect_refused_or_read(const Json& valid, uint64_t seed, const ReadBody& read) {
  std::mt19937_64 random(seed);
  int were_read = 0;
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    Json body = valid;
    damage(body, random);
    try {
      read(body);
      ++were_read;
    } catch (const ApiError& error) {
      EXPECT_LT(error.status(), 500);
      EXPECT_NE(std::string(error.what()), "");
      ++refused;
    }
  }
  EXPECT_GT(were_read, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace hearth::testing
