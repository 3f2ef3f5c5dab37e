#include "tests/server/support/fakes.h"

#include <stdexcept>

namespace hearth::testing {

AnswerId FakeService::submit(AnswerRequest request, std::shared_ptr<AnswerSink> sink) {
  requests.push_back(std::move(request));
  if (waits) {
    waiting_.push_back(std::move(sink));
  } else {
    tell(*sink);
  }
  return requests.size();
}

void FakeService::tell(AnswerSink& sink) const {
  for (const AnswerEvent& event : script) sink.take(event);
}

void FakeService::play() {
  for (const auto& sink : std::exchange(waiting_, {})) tell(*sink);
}

ServiceStatus FakeService::status() const {
  ServiceStatus status;
  status.slots.resize(2);
  status.context_tokens = 4096;
  return status;
}

PreparedInput FakeService::prepare(const AnswerRequest&) const {
  if (prepare_error) throw *prepare_error;
  return {.text = "prepared", .tokens = prepared};
}

std::vector<int32_t> FakeService::tokenize(const std::string& text, bool) const {
  return {text.begin(), text.end()};
}

std::string FakeService::detokenize(const std::vector<int32_t>& tokens) const {
  return {tokens.begin(), tokens.end()};
}

void FakeExchange::respond(HttpResponse given) {
  if (response || head) throw std::logic_error("answered twice");
  response = std::move(given);
}

void FakeExchange::begin_stream(HttpResponse given) {
  if (response || head) throw std::logic_error("answered twice");
  stream = given.body;
  head = std::move(given);
}

void PatientExchange::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  task();
  wakes_.notify_one();
}

void PatientExchange::wait() {
  std::unique_lock lock(mutex_);
  wakes_.wait(lock, [this] { return response.has_value() || ended; });
}

HttpRequest post_request(const std::string& path, const std::string& body) {
  return {.method = "POST",
          .path = path,
          .query = "beta=true",
          .headers = {},
          .body = body,
          .id = "req_1",
          .client = "127.0.0.1"};
}

HttpResponse respond(const Route& route, HttpRequest request) {
  const auto exchange = std::make_shared<PatientExchange>(std::move(request));
  route.handle(exchange);
  exchange->wait();
  return *exchange->response;
}

}  // namespace hearth::testing
