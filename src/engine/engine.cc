#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace hearth {

/// A sequence's state and scratch, taken once, and the request that has it now.
struct Engine::Place {
  Place(const StateShape& shape, KvPagePool& pool) : state(shape, pool) {}

  bool busy() const { return id != 0; }

  SequenceState state;
  RequestId id = 0;  // 0: free
  GenerationRequest request;
  std::optional<Sampler> sampler;
  std::vector<int32_t> tokens;  // the prompt, and what was generated
  size_t next_boundary = 0;     // in request.boundaries
  int64_t pages = 0;            // promised
  GenerationUsage usage;
  Stopwatch clock;  // since the start, then since the first token
};

Engine::Engine(const Model& model, const RunNeeds& needs)
    : model_(model),
      needs_(needs),
      pool_(model.state_shape().page_bytes(), model.state_shape().pages(needs.context_tokens)),
      workspace_(model, std::max(needs.chunk_tokens, needs.sequences), needs.sequences,
                 needs.sequences),
      prefixes_(model.state_shape(), pool_, needs.snapshots) {
  CHECK(needs.sequences > 0 && needs.chunk_tokens > 0);
  for (int64_t i = 0; i < needs.sequences; ++i) {
    places_.push_back(std::make_unique<Place>(model.state_shape(), pool_));
  }
  const size_t places = places_.size();
  work_.reserve(places);
  plan_.reserve(places);
  batch_.reserve(places);
}

Engine::~Engine() = default;

int64_t Engine::most_tokens() const {
  return std::min(static_cast<int64_t>(pool_.total_pages()) * kKvPageTokens,
                  model_.config().max_positions);
}

int64_t Engine::running() const {
  return std::count_if(places_.begin(), places_.end(),
                       [](const auto& place) { return place->busy(); });
}

int64_t Engine::pages_of(const GenerationRequest& request) const {
  const int64_t tokens = static_cast<int64_t>(request.prompt.size()) + request.max_tokens;
  return model_.state_shape().pages(tokens);
}

RequestId Engine::submit(GenerationRequest request) {
  CHECK(request.observer != nullptr);
  if (request.prompt.empty()) throw UsageError("the prompt is empty.");
  if (request.max_tokens < 1) throw UsageError("an answer needs room for at least one token.");
  const int64_t prompt = static_cast<int64_t>(request.prompt.size());
  if (request.max_tokens > most_tokens() || prompt > most_tokens() - request.max_tokens) {
    throw UsageError(fmt::format(
        "a prompt of {} tokens and an answer of up to {} are more than the {} tokens of "
        "context. Shorten the prompt, ask for a shorter answer, or raise the context.",
        prompt, request.max_tokens, most_tokens()));
  }
  for (const int32_t token : request.prompt) {
    if (token >= 0 && token < model_.config().vocab_size) continue;
    throw UsageError(fmt::format("token {} of the prompt is not in the model's vocabulary of {}.",
                                 token, model_.config().vocab_size));
  }
  check_sampling(request.sampling, model_.config().vocab_size);
  queue_.push_back({++last_id_, std::move(request), Stopwatch()});
  return last_id_;
}

void Engine::cancel(RequestId id) {
  const auto queued = std::find_if(queue_.begin(), queue_.end(),
                                   [&](const Waiting& waiting) { return waiting.id == id; });
  if (queued != queue_.end()) {
    GenerationUsage usage{.prompt_tokens = static_cast<int64_t>(queued->request.prompt.size()),
                          .queue_seconds = queued->since.seconds()};
    GenerationObserver* observer = queued->request.observer;
    queue_.erase(queued);
    observer->on_finish(FinishReason::kCancelled, usage);
    return;
  }
  for (const auto& place : places_) {
    if (place->id == id) return finish(*place, FinishReason::kCancelled);
  }
}

/// Starts waiting requests, in order, while there are places and pages for all of what they may
/// write. Kept prefixes do not count: they are given up when their pages are wanted.
void Engine::admit() {
  for (const auto& place : places_) {
    if (queue_.empty()) return;
    if (place->busy()) continue;
    const int64_t pages = pages_of(queue_.front().request);
    if (promised_pages_ + pages > static_cast<int64_t>(pool_.total_pages())) return;
    Waiting waiting = std::move(queue_.front());
    queue_.pop_front();
    start(*place, std::move(waiting));
  }
}

void Engine::start(Place& place, Waiting waiting) {
  place.id = waiting.id;
  place.request = std::move(waiting.request);
  place.tokens = std::move(place.request.prompt);
  place.pages = model_.state_shape().pages(static_cast<int64_t>(place.tokens.size()) +
                                           place.request.max_tokens);
  promised_pages_ += place.pages;
  place.usage = {.prompt_tokens = static_cast<int64_t>(place.tokens.size()),
                 .queue_seconds = waiting.since.seconds()};
  place.tokens.reserve(place.tokens.size() + static_cast<size_t>(place.request.max_tokens));
  place.sampler.emplace(place.request.sampling, model_.config().vocab_size,
                        static_cast<int64_t>(place.tokens.capacity()));
  place.sampler->accept_prompt(place.tokens);
  place.clock.restart();
  const PrefixStore::Match match = prefixes_.find(place.tokens);
  if (match.snapshot) place.state.restore(*match.snapshot);
  place.usage.cached_tokens = place.state.length();
  place.usage.known_tokens = match.known_tokens;
  const auto& boundaries = place.request.boundaries;
  place.next_boundary = static_cast<size_t>(
      std::upper_bound(boundaries.begin(), boundaries.end(), place.state.length()) -
      boundaries.begin());
  place.request.observer->on_prompt(place.state.length());
}

PlaceWork Engine::work_of(const Place& place) const {
  if (!place.busy()) return {};
  const int64_t done = place.state.length();
  const int64_t left = static_cast<int64_t>(place.tokens.size()) - done;
  int64_t cut = left;
  if (place.next_boundary < place.request.boundaries.size()) {
    cut = std::min(cut, place.request.boundaries[place.next_boundary] - done);
  }
  return {.tokens = left, .until_cut = cut, .order = place.id};
}

void Engine::reserve(Place& place, int64_t tokens) {
  // What was promised is there once no prefix holds it.
  while (!place.state.reserve(tokens)) CHECK(prefixes_.drop());
}

bool Engine::step() {
  admit();
  work_.clear();
  for (const auto& place : places_) work_.push_back(work_of(*place));
  plan_pass(work_, std::max(needs_.chunk_tokens, needs_.sequences), plan_);
  if (plan_.empty()) return false;
  batch_.clear();
  for (const PlannedSegment& planned : plan_) {
    Place& place = *places_[static_cast<size_t>(planned.place)];
    reserve(place, planned.tokens);
    const std::span<const int32_t> rest =
        std::span(place.tokens).subspan(static_cast<size_t>(place.state.length()));
    const size_t count = static_cast<size_t>(planned.tokens);
    batch_.push_back({&place.state, rest.first(count), count == rest.size() ? 1 : 0});
  }
  model_.forward(batch_, workspace_);
  int64_t row = 0;
  for (size_t i = 0; i < plan_.size(); ++i) {
    Place& place = *places_[static_cast<size_t>(plan_[i].place)];
    after_pass(place, batch_[i].logit_rows > 0 ? row++ : -1);
  }
  return true;
}

std::span<const float> Engine::logits(int64_t row) const {
  return {workspace_.logits(row), static_cast<size_t>(model_.config().vocab_size)};
}

void Engine::after_pass(Place& place, int64_t logit_row) {
  const int64_t done = place.state.length();
  const auto& boundaries = place.request.boundaries;
  if (place.next_boundary < boundaries.size() && boundaries[place.next_boundary] == done) {
    prefixes_.keep(std::span(place.tokens).first(static_cast<size_t>(done)), place.state);
    ++place.next_boundary;
  }
  if (done <= place.usage.prompt_tokens) place.request.observer->on_prompt(done);
  if (logit_row >= 0) draw(place, logits(logit_row));
}

void Engine::draw(Place& place, std::span<const float> logits) {
  GenerationObserver& observer = *place.request.observer;
  last_logits_ = logits;
  Constraint* constraint = place.request.constraint;
  int32_t token = observer.forced_token();
  if (token < 0) {
    token = place.sampler->sample(logits,
                                  constraint ? constraint->allowed() : std::span<const uint32_t>());
  }
  place.sampler->accept(token);
  if (constraint) constraint->accept(token);
  if (++place.usage.generated_tokens == 1) {
    place.usage.prefill_seconds = place.clock.seconds();
    place.clock.restart();
  }
  place.usage.decode_seconds = place.clock.seconds();
  const auto& ends = model_.config().eos_tokens;
  if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
    return finish(place, FinishReason::kEndToken);
  }
  place.tokens.push_back(token);
  if (!observer.on_token(token)) return finish(place, FinishReason::kStopped);
  if (place.usage.generated_tokens == place.request.max_tokens) {
    finish(place, FinishReason::kLength);
  }
}

/// The end of an answer is where the next turn goes on, if its prompt repeats the answer.
void Engine::finish(Place& place, FinishReason reason) {
  const int64_t done = place.state.length();
  if (place.request.keeps_end && done >= place.usage.prompt_tokens) {
    prefixes_.keep(std::span(place.tokens).first(static_cast<size_t>(done)), place.state);
  }
  place.state.reset();
  promised_pages_ -= place.pages;
  place.id = 0;
  place.request.observer->on_finish(reason, place.usage);
}

}  // namespace hearth
