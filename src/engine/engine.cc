#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "engine/keep_points.h"

namespace hearth {
namespace {

/// Most tokens of a pass that running answers wait for.
constexpr int64_t kChunkBesideAnswers = 512;

bool decodes(const PlaceWork& work) { return work.tokens == 1; }

}  // namespace

/// A sequence's state and scratch, taken once, and the request that has it now.
struct Engine::Place {
  Place(const StateShape& shape, KvPagePool& pool) : state(shape, pool) {}

  bool busy() const { return id != 0; }
  bool in_prompt() const { return state.length() < usage.prompt_tokens; }
  /// Logits are wanted for each token of its next segment.
  bool wants_all_rows() const { return busy() && request.prompt_logits && in_prompt(); }

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
                 std::max(needs.logit_rows, needs.sequences)),
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
  if (request.max_tokens < 0) throw UsageError("an answer of fewer than 0 tokens is none.");
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

Engine::PlaceStatus Engine::place(int64_t index) const {
  const Place& place = *places_[static_cast<size_t>(index)];
  if (!place.busy()) return {};
  return {.id = place.id,
          .prompt_tokens = place.usage.prompt_tokens,
          .prompt_done = std::min(place.state.length(), place.usage.prompt_tokens),
          .generated_tokens = place.usage.generated_tokens};
}

/// Of the highest priority; then whose client has the fewest places; then the earliest.
std::deque<Engine::Waiting>::iterator Engine::next_waiting() {
  const auto places_of = [&](uint64_t client) {
    return std::count_if(places_.begin(), places_.end(), [&](const auto& place) {
      return place->busy() && place->request.client == client;
    });
  };
  const auto before = [&](const Waiting& a, const Waiting& b) {
    const GenerationRequest& x = a.request;
    const GenerationRequest& y = b.request;
    if (x.priority != y.priority) return x.priority > y.priority;
    return x.client != y.client && places_of(x.client) < places_of(y.client);
  };
  return std::min_element(queue_.begin(), queue_.end(), before);
}

/// Starts waiting requests while there are places and pages for all of what they may write. The
/// one that is next waits for its pages, and all others behind it: else it might wait forever.
/// Kept prefixes do not count: they are given up when their pages are wanted.
void Engine::admit() {
  for (const auto& place : places_) {
    if (queue_.empty()) return;
    if (place->busy()) continue;
    const auto next = next_waiting();
    const int64_t pages = pages_of(next->request);
    if (promised_pages_ + pages > static_cast<int64_t>(pool_.total_pages())) return;
    Waiting waiting = std::move(*next);
    queue_.erase(next);
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
  if (!place.request.prompt_logits) resume(place);
  place.usage.cached_tokens = place.state.length();
  const auto& boundaries = place.request.boundaries;
  place.next_boundary = static_cast<size_t>(
      std::upper_bound(boundaries.begin(), boundaries.end(), place.state.length()) -
      boundaries.begin());
  place.request.observer->on_prompt(place.state.length());
}

/// Goes on from the longest kept start of the prompt. Where prompts part once, at a date or a name
/// that a client puts into them, others will: the state there is worth keeping.
void Engine::resume(Place& place) {
  const PrefixStore::Match match = prefixes_.find(place.tokens);
  if (match.snapshot) place.state.restore(*match.snapshot);
  place.usage.known_tokens = match.known_tokens;
  place.usage.remembered_token = match.other_token;
  const bool parts = match.known_tokens < place.usage.prompt_tokens;
  if (!parts || match.known_tokens - place.state.length() < kLeastKept) return;
  auto& boundaries = place.request.boundaries;
  const auto at = std::lower_bound(boundaries.begin(), boundaries.end(), match.known_tokens);
  if (at == boundaries.end() || *at != match.known_tokens) {
    boundaries.insert(at, match.known_tokens);
  }
}

/// What the places could do, `work_`. Of the rows of logits each place has one; those that want
/// one for each token of their prompts share the others. Prompts may have to wait for a while.
void Engine::find_work() {
  const int64_t rest = workspace_.max_logit_rows() - static_cast<int64_t>(places_.size());
  const int64_t shares = std::count_if(places_.begin(), places_.end(),
                                       [](const auto& place) { return place->wants_all_rows(); });
  work_.clear();
  for (const auto& place : places_) {
    work_.push_back(work_of(*place, 1 + rest / std::max(shares, int64_t{1})));
  }
  if (pacer_.prompts_next()) return;
  if (std::none_of(work_.begin(), work_.end(), decodes)) return;
  for (PlaceWork& work : work_) {
    if (work.tokens > 1) work = {};
  }
}

PlaceWork Engine::work_of(const Place& place, int64_t most_rows) const {
  if (!place.busy() || place.request.observer->behind()) return {};
  const int64_t done = place.state.length();
  const int64_t left = static_cast<int64_t>(place.tokens.size()) - done;
  int64_t cut = left;
  if (place.next_boundary < place.request.boundaries.size()) {
    cut = std::min(cut, place.request.boundaries[place.next_boundary] - done);
  }
  if (place.wants_all_rows()) cut = std::min(cut, most_rows);
  return {.tokens = left, .until_cut = cut, .order = place.id};
}

void Engine::reserve(Place& place, int64_t tokens) {
  // What was promised is there once no prefix holds it.
  while (!place.state.reserve(tokens)) CHECK(prefixes_.drop());
}

Segment Engine::segment_of(Place& place, int64_t tokens) const {
  const std::span<const int32_t> rest =
      std::span(place.tokens).subspan(static_cast<size_t>(place.state.length()));
  const size_t count = static_cast<size_t>(tokens);
  const int64_t last_row = count == rest.size() ? 1 : 0;
  return {&place.state, rest.first(count), place.wants_all_rows() ? tokens : last_row};
}

bool Engine::step() {
  admit();
  find_work();
  const bool answers = std::any_of(work_.begin(), work_.end(), decodes);
  const int64_t chunk =
      answers ? std::min(needs_.chunk_tokens, kChunkBesideAnswers) : needs_.chunk_tokens;
  plan_pass(work_, std::max(chunk, needs_.sequences), plan_);
  if (plan_.empty()) return false;
  batch_.clear();
  for (const PlannedSegment& planned : plan_) {
    Place& place = *places_[static_cast<size_t>(planned.place)];
    reserve(place, planned.tokens);
    batch_.push_back(segment_of(place, planned.tokens));
  }
  const Stopwatch pass;
  model_.forward(batch_, workspace_);
  // Those who decode come first in a plan.
  pacer_.after_pass(plan_.front().tokens == 1, plan_.back().tokens > 1, pass.seconds());
  int64_t row = 0;
  for (size_t i = 0; i < plan_.size(); ++i) {
    Place& place = *places_[static_cast<size_t>(plan_[i].place)];
    after_pass(place, row, batch_[i].logit_rows);
    row += batch_[i].logit_rows;
  }
  return true;
}

std::span<const float> Engine::logits(int64_t row) const {
  return {workspace_.logits(row), static_cast<size_t>(model_.config().vocab_size)};
}

void Engine::after_pass(Place& place, int64_t first_row, int64_t rows) {
  const int64_t done = place.state.length();
  const int64_t known = static_cast<int64_t>(place.tokens.size());
  GenerationObserver& observer = *place.request.observer;
  const auto& boundaries = place.request.boundaries;
  if (place.next_boundary < boundaries.size() && boundaries[place.next_boundary] == done) {
    prefixes_.keep(std::span(place.tokens).first(static_cast<size_t>(done)), place.state);
    ++place.next_boundary;
  }
  if (place.request.prompt_logits && done <= place.usage.prompt_tokens) {
    for (int64_t i = 0; i < rows && done - rows + i < known - 1; ++i) {
      observer.on_prompt_logits(done - rows + i, logits(first_row + i));
    }
  }
  if (done <= place.usage.prompt_tokens) observer.on_prompt(done);
  if (done < known) return;
  if (place.request.max_tokens > 0) return draw(place, logits(first_row + rows - 1));
  place.usage.prefill_seconds = place.clock.seconds();
  finish(place, FinishReason::kLength);
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
  if (place.request.answer_logits) observer.on_logits(token, logits);
  place.sampler->accept(token);
  if (constraint) constraint->accept(token);
  if (++place.usage.generated_tokens == 1) {
    place.usage.prefill_seconds = place.clock.seconds();
    place.clock.restart();
  }
  place.usage.decode_seconds = place.clock.seconds();
  const auto& ends = model_.config().eos_tokens;
  if (place.request.ends_at_end_token && std::find(ends.begin(), ends.end(), token) != ends.end()) {
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
