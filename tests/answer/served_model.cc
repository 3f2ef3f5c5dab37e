#include "tests/answer/served_model.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <random>

#include "backend/cpu/cpu_backend.h"

namespace hearth::testing {

using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;

namespace {

/// Only failures take so long, or a sanitizer on a busy machine.
constexpr auto kPatience = 5min;

}  // namespace

void Listener::take(AnswerEvent event) noexcept {
  if (on_event) on_event(event);
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

bool Listener::wait() {
  return wait_until([](const AnswerEvent& event) {
    return std::holds_alternative<AnswerDone>(event.what) ||
           std::holds_alternative<AnswerFailed>(event.what);
  });
}

bool Listener::wait_until(const std::function<bool(const AnswerEvent&)>& is) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience,
                           [&] { return std::any_of(events_.begin(), events_.end(), is); });
}

std::string Listener::text(TextDelta::Part part, int64_t choice) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const AnswerEvent& event : events_) {
    const auto* delta = std::get_if<TextDelta>(&event.what);
    if (delta && delta->part == part && event.choice == choice) text += delta->text;
  }
  return text;
}

const AnswerDone& Listener::done() const {
  static const AnswerDone none;
  const std::lock_guard lock(mutex_);
  const auto* done = events_.empty() ? nullptr : std::get_if<AnswerDone>(&events_.back().what);
  EXPECT_NE(done, nullptr);
  return done ? *done : none;
}

const ApiError* Listener::error() const {
  const std::lock_guard lock(mutex_);
  const auto* failed = events_.empty() ? nullptr : std::get_if<AnswerFailed>(&events_.back().what);
  return failed ? &failed->error : nullptr;
}

std::optional<ChoiceFinished::Reason> Listener::reason(int64_t choice) const {
  const std::lock_guard lock(mutex_);
  for (const AnswerEvent& event : events_) {
    const auto* finished = std::get_if<ChoiceFinished>(&event.what);
    if (finished && event.choice == choice) return finished->reason;
  }
  return std::nullopt;
}

std::vector<PlaceLogprobs> Listener::logprobs() const {
  const std::lock_guard lock(mutex_);
  std::vector<PlaceLogprobs> places;
  for (const AnswerEvent& event : events_) {
    const auto* delta = std::get_if<TextDelta>(&event.what);
    if (delta) places.insert(places.end(), delta->logprobs.begin(), delta->logprobs.end());
  }
  return places;
}

std::vector<AnswerEvent> Listener::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

ServedModel::ServedModel(const RunNeeds& needs, AnswerServiceOptions options,
                         const std::filesystem::path& folder) {
  thread_ = std::thread([this, needs, options, folder] { serve(needs, options, folder); });
  service_ = started_.get_future().get();
}

ServedModel::~ServedModel() {
  service_->stop();
  stopped_.set_value();
  thread_.join();
}

void ServedModel::serve(const RunNeeds& needs, const AnswerServiceOptions& options,
                        const std::filesystem::path& folder) {
  CpuBackend backend({.threads = 2, .kernel_set = ""});
  const Model model(kCheckpoint, backend, {});
  Engine engine(model, needs);
  ChatFormat format(folder);
  EngineAnswerService service(engine, model.config(), format, options);
  started_.set_value(&service);
  service.run();
  stopped_.get_future().wait();
  EXPECT_EQ(engine.running(), 0);
  EXPECT_EQ(engine.waiting(), 0);
  while (engine.prefixes().drop()) {
  }
  EXPECT_EQ(engine.pool().free_pages(), static_cast<int64_t>(engine.pool().total_pages()));
}

std::shared_ptr<Listener> ServedModel::answer(AnswerRequest request) {
  auto listener = std::make_shared<Listener>();
  service().submit(std::move(request), listener);
  EXPECT_TRUE(listener->wait());
  return listener;
}

bool ServedModel::wait_idle() {
  const auto busy = [](const ServiceStatus::Slot& slot) { return slot.busy; };
  for (const auto end = std::chrono::steady_clock::now() + kPatience;
       std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(1ms)) {
    const ServiceStatus status = service().status();
    if (status.waiting == 0 && std::none_of(status.slots.begin(), status.slots.end(), busy)) {
      return true;
    }
  }
  return false;
}

AnswerRequest raw_request(uint32_t seed, size_t tokens, int64_t max_tokens) {
  std::mt19937 random(seed);
  std::vector<int32_t> prompt(tokens);
  for (int32_t& token : prompt) token = static_cast<int32_t>(random() % 900);
  return {.input = RawInput(std::move(prompt)),
          .sampling = {.temperature = 0},
          .max_tokens = max_tokens};
}

std::vector<LogitBias> words_only(const Tokenizer& tokenizer, int64_t vocab_size) {
  std::vector<LogitBias> biases;
  for (int32_t token = 0; token < vocab_size; ++token) {
    const std::string text = tokenizer.token_text(token);
    const bool letters = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
      return std::isalpha(static_cast<unsigned char>(c)) != 0;
    });
    if (!letters) biases.push_back({token, -100});
  }
  return biases;
}

}  // namespace hearth::testing
