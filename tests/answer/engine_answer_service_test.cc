// Many clients at once get the answers that each would get alone; whatever they do, nobody else
// notices, and everything is free in the end.
#include "answer/engine_answer_service.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "engine/logprobs.h"
#include "engine/sequence_runner.h"
#include "tests/answer/served_model.h"

namespace hearth::testing {
namespace {

TEST(AnswerService, SixtyFourAtOnceAnswerAsAlone) {
  std::mt19937 random(11);
  std::vector<AnswerRequest> requests;
  for (uint32_t i = 0; i < 64; ++i) {
    requests.push_back(
        raw_request(i % 48, 1 + random() % 120, 1 + static_cast<int64_t>(random() % 24)));
  }
  std::vector<std::string> alone;
  {
    ServedModel served({.context_tokens = 512});
    for (const AnswerRequest& request : requests) alone.push_back(served.answer(request)->answer());
  }
  ServedModel served({.context_tokens = 2048, .sequences = 8, .snapshots = 6, .chunk_tokens = 48});
  std::vector<std::shared_ptr<Listener>> listeners;
  for (size_t i = 0; i < requests.size(); ++i) listeners.push_back(std::make_shared<Listener>());
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  const auto cancelled = [](size_t index) { return index % 5 == 2; };
  std::vector<std::thread> clients;
  for (size_t client = 0; client < 4; ++client) {
    clients.emplace_back([&, client, choice = std::mt19937(random())]() mutable {
      for (size_t i = client; i < order.size(); i += 4) {
        const AnswerId id = served.service().submit(requests[order[i]], listeners[order[i]]);
        if (!cancelled(order[i])) continue;
        std::this_thread::sleep_for(std::chrono::microseconds(choice() % 3000));
        served.service().cancel(id);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::string answer = alone[i];
    if (!cancelled(i)) {
      ASSERT_TRUE(listeners[i]->wait()) << "request " << i;
      EXPECT_EQ(listeners[i]->answer(), answer) << "request " << i;
    }
  }
  EXPECT_TRUE(served.wait_idle());
  for (size_t i = 0; i < requests.size(); ++i) {
    if (cancelled(i)) {
      EXPECT_TRUE(alone[i].starts_with(listeners[i]->answer())) << i;
    }
  }
}

/// Clients that leave at a moment of their own: before they are prepared, in the queue, while their
/// prompt is computed, in the answer, at its end.
void disconnect(int count) {
  std::mt19937 random(12);
  // Pages for three places only: the queue waits for them, too.
  ServedModel served({.context_tokens = 1024, .sequences = 4, .snapshots = 3, .chunk_tokens = 32},
                     {.most_waiting = 1 << 20});
  EngineAnswerService& service = served.service();
  std::vector<std::shared_ptr<Listener>> listeners;
  std::map<int, int> left_in;
  for (int i = 0; i < count; ++i) {
    auto listener = std::make_shared<Listener>();
    listeners.push_back(listener);
    const int moment = static_cast<int>(random() % 5);
    // The id is not known when the first event may come.
    const auto id = std::make_shared<std::promise<AnswerId>>();
    const std::shared_future<AnswerId> known = id->get_future().share();
    const int64_t after = static_cast<int64_t>(random() % 4);
    listener->on_event = [&service, known, moment, after, seen = 0](const AnswerEvent& e) mutable {
      const bool here = (moment == 1 && std::holds_alternative<AnswerAccepted>(e.what)) ||
                        (moment == 2 && std::holds_alternative<PromptProgress>(e.what)) ||
                        (moment == 3 && std::holds_alternative<TextDelta>(e.what)) ||
                        (moment == 4 && std::holds_alternative<ChoiceFinished>(e.what));
      if (here && seen++ >= (moment == 3 ? after : 0)) service.cancel(known.get());
    };
    AnswerRequest request = raw_request(static_cast<uint32_t>(i % 20), 1 + random() % 250,
                                        1 + static_cast<int64_t>(random() % 12));
    request.choices = 1 + static_cast<int64_t>(random() % 2);
    id->set_value(service.submit(std::move(request), listener));
    if (moment == 0) service.cancel(known.get());
    ++left_in[moment];
  }
  EXPECT_TRUE(served.wait_idle());
  for (const auto& [moment, number] : left_in) EXPECT_GT(number, 0) << "moment " << moment;
  // One that nobody left still gets its answer.
  EXPECT_EQ(served.answer(raw_request(1, 20, 3))->error(), nullptr);
  const ServiceStatus status = service.status();
  EXPECT_EQ(status.waiting, 0);
  // After its cancellation, nobody heard of an end.
  int ended = 0;
  for (const auto& listener : listeners) {
    const auto events = listener->events();
    ended += !events.empty() && std::holds_alternative<AnswerDone>(events.back().what);
  }
  EXPECT_LT(ended, count / 2);
}

TEST(AnswerService, DisconnectsLeaveEverythingFree) { disconnect(300); }
TEST(AnswerService, AThousandDisconnectsLeaveEverythingFree) { disconnect(1000); }

TEST(AnswerService, AReaderThatIsBehindRestsAlone) {
  ServedModel served({.context_tokens = 1024, .sequences = 2, .chunk_tokens = 64});
  const std::string expected = served.answer(raw_request(3, 40, 60))->answer();
  const auto slow = std::make_shared<Listener>();
  slow->on_event = [listener = slow.get()](const AnswerEvent& event) {
    if (std::holds_alternative<TextDelta>(event.what)) listener->behind = true;
  };
  const AnswerId id = served.service().submit(raw_request(3, 40, 60), slow);
  ASSERT_TRUE(slow->wait_for<TextDelta>());
  const auto texts = [&] {
    const auto events = slow->events();
    return std::count_if(events.begin(), events.end(), [](const AnswerEvent& event) {
      return std::holds_alternative<TextDelta>(event.what);
    });
  };
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(served.answer(raw_request(50 + i, 30, 20))->error(), nullptr);
    EXPECT_EQ(texts(), 1) << "it rests";
  }
  slow->on_event = {};
  slow->behind = false;
  served.service().resume(id);
  ASSERT_TRUE(slow->wait());
  EXPECT_EQ(slow->answer(), expected);
}

TEST(AnswerService, ChoicesShareThePrompt) {
  ServedModel served({.context_tokens = 2048, .sequences = 3, .snapshots = 4, .chunk_tokens = 64});
  AnswerRequest request = raw_request(4, 200, 12);
  request.sampling = {.temperature = 1.5, .seed = 70};
  std::vector<std::string> expected;
  for (uint64_t i = 0; i < 5; ++i) {
    AnswerRequest one = request;
    one.sampling.seed += i;
    expected.push_back(served.answer(one)->answer());
  }
  EXPECT_NE(expected[0], expected[1]);
  ASSERT_TRUE(served.wait_idle());  // the last answer is counted after it was told
  const ServiceStatus before = served.service().status();
  AnswerRequest other = raw_request(5, 200, 12);  // so that nothing is known of it
  other.sampling = {.temperature = 1.5, .seed = 70};
  other.choices = 5;
  EXPECT_EQ(served.answer(other)->error(), nullptr);
  ASSERT_TRUE(served.wait_idle());
  const ServiceStatus after = served.service().status();
  EXPECT_EQ(after.prompt_tokens - before.prompt_tokens, 5 * 200);
  EXPECT_EQ(after.cached_tokens - before.cached_tokens, 4 * 199);

  request.choices = 5;
  const auto together = served.answer(request);
  int64_t finished = 0;
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(together->answer(i), expected[static_cast<size_t>(i)]) << "choice " << i;
    finished += together->reason(i).has_value();
  }
  EXPECT_EQ(finished, 5);
  EXPECT_EQ(together->done().usage.prompt_tokens, 200);
}

double sum_of(const std::vector<TokenLogprob>& chances) {
  return std::accumulate(chances.begin(), chances.end(), 0.0, [](double sum, const auto& chance) {
    return sum + std::exp(chance.logprob);
  });
}

/// The natural logarithm of the softmax, straight from its definition.
long double log_softmax(std::span<const float> logits, int32_t token) {
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit));
  return static_cast<long double>(logits[static_cast<size_t>(token)]) - std::log(sum);
}

TEST(AnswerService, LogprobsAreThoseOfTheModel) {
  AnswerRequest request = raw_request(7, 70, 10);
  request.top_logprobs = 5;
  request.prompt_logprobs = true;
  for (const int64_t rows : {1, 17}) {
    ServedModel served({.context_tokens = 512,
                        .sequences = 2,
                        .snapshots = 2,
                        .chunk_tokens = 32,
                        .logit_rows = rows});
    served.answer(request);  // what is kept does not shorten the second
    const auto listener = served.answer(request);
    std::vector<PlaceLogprobs> places;
    for (const AnswerEvent& event : listener->events()) {
      const auto* prompt = std::get_if<PromptLogprobs>(&event.what);
      if (prompt) places = prompt->tokens;
    }
    ASSERT_EQ(places.size(), 70u);
    EXPECT_EQ(places[0].chosen.logprob, 0);
    EXPECT_TRUE(places[0].top.empty());
    const auto answer = listener->logprobs();
    ASSERT_EQ(answer.size(), static_cast<size_t>(listener->done().usage.generated_tokens));
    places.insert(places.end(), answer.begin(), answer.end());

    CpuBackend backend({.threads = 2, .kernel_set = ""});
    const Model model(kCheckpoint, backend, {});
    SequenceRunner runner(model, {.context_tokens = 512, .chunk_tokens = 64, .logit_rows = 64});
    std::vector<int32_t> tokens;
    for (const PlaceLogprobs& place : places) tokens.push_back(place.chosen.token);
    const auto& prompt = std::get<std::vector<int32_t>>(std::get<RawInput>(request.input));
    ASSERT_TRUE(std::equal(prompt.begin(), prompt.end(), tokens.begin()));
    runner.feed_all(tokens, [&](int64_t index, std::span<const float> logits) {
      const size_t next = static_cast<size_t>(index) + 1;
      if (next == places.size()) return;
      const PlaceLogprobs& place = places[next];
      ASSERT_EQ(place.top.size(), 5u);
      EXPECT_LE(sum_of(place.top), 1 + 1e-12);
      for (size_t i = 0; i < 5; ++i) {
        const TokenLogprob& chance = place.top[i];
        EXPECT_NEAR(chance.logprob, static_cast<double>(log_softmax(logits, chance.token)), 1e-9);
        if (i > 0) {
          EXPECT_LE(chance.logprob, place.top[i - 1].logprob);
        }
      }
      EXPECT_NEAR(place.chosen.logprob,
                  static_cast<double>(log_softmax(logits, place.chosen.token)), 1e-9);
      if (next >= prompt.size()) {
        EXPECT_EQ(place.chosen.token, place.top[0].token) << "greedy";
      }
    });
  }
}

TEST(AnswerService, LogprobsOfAWholeVocabularyAddUpToOne) {
  std::mt19937 random(8);
  std::vector<float> logits(20);
  for (float& logit : logits) logit = static_cast<float>(random() % 2000) / 100 - 10;
  const TokenChances chances = token_chances(logits, 3, 20);
  double sum = 0;
  for (const TokenChance& chance : chances.top) sum += std::exp(chance.logprob);
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_EQ(token_chances(logits, 3, 0).top.size(), 0u);
}

TEST(AnswerService, PromptsThatDoNotFitAreRefusedAndAnswersCut) {
  ServedModel served({.context_tokens = 256}, {.context_tokens = 100});
  const auto refused = served.answer(raw_request(1, 100, 1));
  ASSERT_NE(refused->error(), nullptr);
  EXPECT_EQ(refused->error()->kind(), ApiError::Kind::kContextLength);
  EXPECT_STREQ(refused->error()->what(), "prompt is too long: 100 tokens > 99 maximum");
  AnswerRequest request = raw_request(1, 90, int64_t{1} << 40);
  request.ends_at_end_token = false;
  const auto cut = served.answer(request);
  EXPECT_EQ(cut->reason(), ChoiceFinished::Reason::kLength);
  EXPECT_EQ(cut->done().usage.generated_tokens, 10);
  request.max_tokens.reset();
  EXPECT_EQ(served.answer(request)->done().usage.generated_tokens, 10);
  EXPECT_EQ(served.answer(raw_request(1, 100, 0))->done().usage.generated_tokens, 0);
}

TEST(AnswerService, BadRequestsSayWhatIsWrong) {
  ServedModel served({.context_tokens = 256});
  const auto expect = [&](const AnswerRequest& request, ApiError::Kind kind,
                          const std::string& parameter) {
    const auto listener = served.answer(request);
    ASSERT_NE(listener->error(), nullptr);
    EXPECT_EQ(listener->error()->kind(), kind) << listener->error()->what();
    EXPECT_EQ(listener->error()->parameter(), parameter) << listener->error()->what();
    EXPECT_EQ(listener->events().size(), 1u);
  };
  using Kind = ApiError::Kind;
  AnswerRequest request;
  request.input = RawInput(std::string());
  expect(request, Kind::kInvalid, "prompt");
  request.input = RawInput(std::vector<int32_t>{1 << 20});
  expect(request, Kind::kInvalid, "prompt");
  request.input =
      ChatInput{.messages = {{{"role", "user"}, {"content", "Hi"}}}, .continues_last = true};
  expect(request, Kind::kInvalid, "messages");
  request = raw_request(1, 3, 3);
  request.choices = 0;
  expect(request, Kind::kInvalid, "n");
  request = raw_request(1, 3, 3);
  request.top_logprobs = 21;
  expect(request, Kind::kInvalid, "top_logprobs");
  request = raw_request(1, 3, 3);
  request.prompt_logprobs = true;
  expect(request, Kind::kInvalid, "logprobs");
  request = raw_request(1, 3, -1);
  expect(request, Kind::kInvalid, "max_tokens");
  request = raw_request(1, 3, 3);
  request.sampling.top_p = 2;
  expect(request, Kind::kInvalid, "");
  request = raw_request(1, 3, 3);
  request.sampling.stop = {""};
  expect(request, Kind::kInvalid, "");
}

TEST(AnswerService, AFullQueueRefusesAtOnce) {
  ServedModel served({.context_tokens = 256}, {.most_waiting = 2});
  const auto holds = std::make_shared<Listener>();
  holds->behind = true;
  const AnswerId id = served.service().submit(raw_request(1, 20, 5), holds);
  ASSERT_TRUE(holds->wait_for<PromptProgress>());  // it has the only place
  std::vector<std::shared_ptr<Listener>> waiting;
  for (uint32_t i = 0; i < 2; ++i) {
    waiting.push_back(std::make_shared<Listener>());
    served.service().submit(raw_request(2 + i, 20, 5), waiting.back());
  }
  const auto refused = std::make_shared<Listener>();
  served.service().submit(raw_request(9, 20, 5), refused);
  ASSERT_NE(refused->error(), nullptr) << "before submit returned";
  EXPECT_EQ(refused->error()->kind(), ApiError::Kind::kOverloaded);
  EXPECT_EQ(served.service().status().waiting, 2);
  holds->behind = false;
  served.service().resume(id);
  for (const auto& listener : waiting) {
    EXPECT_TRUE(listener->wait());
    EXPECT_EQ(listener->error(), nullptr);
  }
}

TEST(AnswerService, WhenItStopsEverybodyHearsSo) {
  const auto running = std::make_shared<Listener>();
  const auto waiting = std::make_shared<Listener>();
  {
    ServedModel served({.context_tokens = 256});
    running->behind = true;
    served.service().submit(raw_request(1, 20, 5), running);
    served.service().submit(raw_request(2, 20, 5), waiting);
    ASSERT_TRUE(running->wait_for<PromptProgress>());
    ASSERT_TRUE(waiting->wait_for<AnswerAccepted>());
    served.service().stop();
    const auto late = served.answer(raw_request(3, 20, 5));
    ASSERT_NE(late->error(), nullptr);
    EXPECT_EQ(late->error()->kind(), ApiError::Kind::kUnavailable);
  }
  for (const auto& listener : {running, waiting}) {
    ASSERT_NE(listener->error(), nullptr);
    EXPECT_EQ(listener->error()->kind(), ApiError::Kind::kUnavailable);
  }
}

TEST(AnswerService, StopStringsSayWhichOneCame) {
  ServedModel served({.context_tokens = 256});
  AnswerRequest request = raw_request(3, 40, 40);
  const std::string whole = served.answer(request)->answer();
  const size_t middle = whole.find_first_of("abcdefghijklmnopqrstuvwxyz", whole.size() / 2);
  ASSERT_NE(middle, std::string::npos);
  const std::string stop = whole.substr(middle, 1);
  request.sampling.stop = {"never to be seen", stop};
  const auto stopped = served.answer(request);
  EXPECT_EQ(stopped->answer(), whole.substr(0, whole.find(stop)));
  EXPECT_EQ(stopped->reason(), ChoiceFinished::Reason::kStop);
  for (const AnswerEvent& event : stopped->events()) {
    const auto* finished = std::get_if<ChoiceFinished>(&event.what);
    if (finished) {
      EXPECT_EQ(finished->stop_string, stop);
    }
  }
}

}  // namespace
}  // namespace hearth::testing
