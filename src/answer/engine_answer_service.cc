#include "answer/engine_answer_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/keep_points.h"

namespace hearth {
namespace {

const ApiError& stopping_error() {
  static const ApiError error(ApiError::Kind::kUnavailable, "the server is stopping.");
  return error;
}

/// Throws ApiError for what routes check for themselves, and others might not.
void check_request(const AnswerRequest& request, int64_t vocab_size) {
  constexpr int64_t kMostChoices = 128;
  constexpr int64_t kMostLogprobs = 20;
  const auto refuse = [](const std::string& message, const char* parameter) {
    throw ApiError(ApiError::Kind::kInvalid, message, parameter);
  };
  if (request.choices < 1 || request.choices > kMostChoices) {
    refuse(fmt::format("n must be from 1 to {}.", kMostChoices), "n");
  }
  const int64_t top = request.top_logprobs.value_or(0);
  if (top < 0 || top > kMostLogprobs) {
    refuse(fmt::format("logprobs of 0 to {} other tokens can be told.", kMostLogprobs),
           "top_logprobs");
  }
  if (request.prompt_logprobs && !request.top_logprobs) {
    refuse("logprobs of the prompt are told with those of the answer only.", "logprobs");
  }
  if (request.max_tokens && *request.max_tokens < 0) {
    refuse("max_tokens must not be negative.", "max_tokens");
  }
  try {
    check_sampling(request.sampling, vocab_size);
  } catch (const UsageError& error) {
    refuse(error.what(), "");
  }
}

}  // namespace

EngineAnswerService::EngineAnswerService(Engine& engine, const ModelConfig& config,
                                         ChatFormat& format, AnswerServiceOptions options)
    : engine_(engine),
      config_(config),
      format_(format),
      options_(std::move(options)),
      context_tokens_(options_.context_tokens > 0
                          ? std::min(options_.context_tokens, engine.most_tokens())
                          : engine.most_tokens()),
      constraints_(format.tokenizer(), {config.eos_tokens.begin(), config.eos_tokens.end()},
                   config.vocab_size, format.call_form()) {
  publish();
  if (options_.expects_constraints) constraints_.warm_up();
  preparation_ = std::thread([this] { prepare_runs(); });
}

EngineAnswerService::~EngineAnswerService() {
  stop();
  fail_all();
}

AnswerId EngineAnswerService::submit(AnswerRequest request, std::shared_ptr<AnswerSink> sink) {
  std::unique_lock lock(mutex_);
  const AnswerId id = ++last_id_;
  const bool full = waiting_ >= options_.most_waiting;
  if (stopping_ || full) {
    const ApiError error =
        stopping_ ? stopping_error()
                  : ApiError(ApiError::Kind::kOverloaded,
                             fmt::format("{} requests are waiting already: try again later.",
                                         options_.most_waiting));
    lock.unlock();
    sink->take({0, AnswerFailed{error}});
    return id;
  }
  const Run run = std::make_shared<AnswerRun>(id, std::move(request), std::move(sink), waiting_);
  live_.emplace(id, run);
  unprepared_.push_back(run);
  preparation_wakes_.notify_one();
  return id;
}

void EngineAnswerService::cancel(AnswerId id) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  found->second->cancelled = true;
  found->second->leave_queue();
  live_.erase(found);
  news_ = true;
  engine_wakes_.notify_one();
}

void EngineAnswerService::resume(AnswerId /*id*/) {
  // Sinks are asked before each pass: it is enough that there is one.
  const std::lock_guard lock(mutex_);
  news_ = true;
  engine_wakes_.notify_one();
}

void EngineAnswerService::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  preparation_wakes_.notify_one();
  engine_wakes_.notify_one();
}

ServiceStatus EngineAnswerService::status() const {
  const std::lock_guard lock(mutex_);
  ServiceStatus status = status_;
  status.waiting = waiting_;
  return status;
}

ChatPrompt EngineAnswerService::prompt_of(const AnswerRequest& request) const {
  const auto refuse = [](const std::string& message, const char* parameter) {
    throw ApiError(ApiError::Kind::kInvalid, message, parameter);
  };
  ChatPrompt prompt;
  const auto* chat = std::get_if<ChatInput>(&request.input);
  try {
    if (chat) {
      prompt = format_.prompt(*chat);
    } else {
      const auto raw = [&](const auto& input) { return format_.raw_prompt(input); };
      prompt = std::visit(raw, std::get<RawInput>(request.input));
    }
  } catch (const TemplateError& error) {
    refuse("the chat template of the model refuses this: " + error.detail(), "messages");
  } catch (const Error& error) {
    refuse(error.what(), chat ? "messages" : "prompt");
  }
  for (const int32_t token : prompt.tokens) {
    if (token >= 0 && token < config_.vocab_size) continue;
    refuse(
        fmt::format("token {} is not in the model's vocabulary of {}.", token, config_.vocab_size),
        "prompt");
  }
  if (prompt.tokens.empty()) refuse("the prompt is empty.", chat ? "messages" : "prompt");
  return prompt;
}

PreparedInput EngineAnswerService::prepare(const AnswerRequest& request) const {
  ChatPrompt prompt = prompt_of(request);
  return {std::move(prompt.text), std::move(prompt.tokens)};
}

std::vector<int32_t> EngineAnswerService::tokenize(const std::string& text, bool special) const {
  return format_.tokenizer().encode(text, special);
}

std::string EngineAnswerService::detokenize(const std::vector<int32_t>& tokens) const {
  return format_.tokenizer().decode(tokens, false);
}

/// Messages end with the token that ends the model's own turn.
std::vector<int64_t> EngineAnswerService::boundaries_of(const ChatPrompt& prompt, bool chat,
                                                        int64_t choices) const {
  const int64_t tokens = static_cast<int64_t>(prompt.tokens.size());
  std::vector<int64_t> ends;
  const auto& marks = config_.eos_tokens;
  for (int64_t i = 0; chat && i + 1 < prompt.messages_end; ++i) {
    const int32_t token = prompt.tokens[static_cast<size_t>(i)];
    if (std::find(marks.begin(), marks.end(), token) != marks.end()) ends.push_back(i + 1);
  }
  if (chat && prompt.messages_end > 0) ends.push_back(prompt.messages_end);
  std::vector<int64_t> points = keep_points(tokens, ends);
  const bool has_last = !points.empty() && points.back() == tokens - 1;
  if (choices > 1 && tokens > 1 && !has_last) points.push_back(tokens - 1);
  return points;
}

void EngineAnswerService::prepare_run(AnswerRun& run) {
  AnswerRequest& request = run.request;
  check_request(request, config_.vocab_size);
  if (request.sampling.dry_multiplier > 0) {
    request.sampling.dry_breaker_tokens =
        breakers_.tokens(request.sampling.dry_sequence_breakers, format_.tokenizer());
  }
  ChatPrompt prompt = prompt_of(request);
  const int64_t tokens = static_cast<int64_t>(prompt.tokens.size());
  const int64_t most = context_tokens_ - (request.max_tokens == 0 ? 0 : 1);
  if (tokens > most) {
    // Clients look for these very words.
    throw ApiError(ApiError::Kind::kContextLength,
                   fmt::format("prompt is too long: {} tokens > {} maximum", tokens, most),
                   std::holds_alternative<ChatInput>(request.input) ? "messages" : "prompt");
  }
  std::optional<TokenMatcher> matcher = constraints_.compile(request);
  if (matcher) run.constrain(std::move(*matcher), constraints_.tokens());
  const bool chat = std::holds_alternative<ChatInput>(request.input);
  std::vector<int64_t> boundaries;
  if (request.keeps_states) boundaries = boundaries_of(prompt, chat, request.choices);
  run.prepare(format_, std::move(prompt), std::move(boundaries), context_tokens_ - tokens);
}

void EngineAnswerService::prepare_runs() {
  for (;;) {
    std::unique_lock lock(mutex_);
    preparation_wakes_.wait(lock, [&] { return stopping_ || !unprepared_.empty(); });
    if (stopping_) return;
    const Run run = std::move(unprepared_.front());
    unprepared_.pop_front();
    lock.unlock();
    if (run->cancelled) continue;
    try {
      prepare_run(*run);
    } catch (const ApiError& error) {
      fail(run, error);
      continue;
    } catch (const UsageError& error) {
      fail(run, ApiError(ApiError::Kind::kInvalid, error.what()));
      continue;
    } catch (const std::exception& error) {
      fail(run, ApiError(ApiError::Kind::kInternal, error.what()));
      continue;
    }
    run->tell(0, AnswerAccepted{static_cast<int64_t>(run->prompt.tokens.size())});
    lock.lock();
    prepared_.push_back(run);
    engine_wakes_.notify_one();
  }
}

void EngineAnswerService::fail(const Run& run, const ApiError& error) {
  forget(*run);
  run->tell(0, AnswerFailed{error});
}

void EngineAnswerService::forget(const AnswerRun& run) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(run.id);
  if (found == live_.end()) return;
  found->second->leave_queue();
  live_.erase(found);
}

void EngineAnswerService::run() {
  bool idle = true;
  while (take_work(idle)) {
    end_cancelled();
    start_choices();
    idle = !engine_.step();
    sweep();
    publish();
  }
  fail_all();
  publish();
}

/// Takes over what was prepared; waits for some news when there is nothing else to do. False when
/// it is time to stop.
bool EngineAnswerService::take_work(bool idle) {
  std::unique_lock lock(mutex_);
  if (idle) {
    engine_wakes_.wait(lock, [&] { return stopping_ || news_ || !prepared_.empty(); });
  }
  news_ = false;
  std::move(prepared_.begin(), prepared_.end(), std::back_inserter(runs_));
  prepared_.clear();
  return !stopping_;
}

/// The first choice computes the prompt. The others begin when its state is there to be found.
void EngineAnswerService::start_choices() {
  for (const Run& run : runs_) {
    while (!run->cancelled && run->submitted < run->choices.size() &&
           (run->submitted == 0 || run->prompt_done)) {
      try {
        submit_choice(*run);
      } catch (const UsageError& error) {
        fail(run, ApiError(ApiError::Kind::kInvalid, error.what()));
        run->cancelled = true;
      }
    }
  }
  end_cancelled();
}

void EngineAnswerService::submit_choice(AnswerRun& run) {
  AnswerChoice& choice = *run.choices[run.submitted];
  choice.id = engine_.submit(choice.generation());
  owners_.emplace(choice.id, run.id);
  ++run.submitted;
}

void EngineAnswerService::end_cancelled() {
  for (const Run& run : runs_) {
    if (!run->cancelled) continue;
    for (size_t i = 0; i < run->submitted; ++i) engine_.cancel(run->choices[i]->id);
  }
}

/// Forgets the requests that have ended.
void EngineAnswerService::sweep() {
  std::erase_if(runs_, [&](const Run& run) {
    // One that was cancelled since the pass began is still in the engine.
    if (run->finished < static_cast<int64_t>(run->submitted)) return false;
    if (!run->ended() && !run->cancelled) return false;
    for (size_t i = 0; i < run->submitted; ++i) owners_.erase(run->choices[i]->id);
    const GenerationUsage& usage = run->done.usage;
    ++totals_.requests;
    totals_.prompt_tokens += run->prompt_tokens;
    totals_.cached_tokens += run->cached_tokens;
    totals_.generated_tokens += usage.generated_tokens;
    totals_.prefill_seconds += usage.prefill_seconds;
    totals_.decode_seconds += usage.decode_seconds;
    forget(*run);
    return true;
  });
}

void EngineAnswerService::publish() {
  totals_.slots.resize(static_cast<size_t>(engine_.places()));
  bool has_token = totals_.generated_tokens > 0;
  for (int64_t i = 0; i < engine_.places(); ++i) {
    const Engine::PlaceStatus place = engine_.place(i);
    const auto owner = owners_.find(place.id);
    totals_.slots[static_cast<size_t>(i)] = {.busy = place.id != 0,
                                             .id = owner == owners_.end() ? 0 : owner->second,
                                             .prompt_tokens = place.prompt_tokens,
                                             .prompt_done = place.prompt_done,
                                             .generated_tokens = place.generated_tokens};
    has_token = has_token || place.generated_tokens > 0;
  }
  totals_.context_tokens = context_tokens_;
  totals_.kv_pages = static_cast<int64_t>(engine_.pool().total_pages());
  totals_.kv_pages_free = engine_.pool().free_pages();
  totals_.kept_prefixes = engine_.prefixes().size();
  if (has_token && !had_token_ && options_.on_first_token) options_.on_first_token();
  had_token_ = has_token || had_token_;
  const std::lock_guard lock(mutex_);
  status_ = totals_;
}

/// Once nobody prepares anything any more.
void EngineAnswerService::fail_all() {
  if (preparation_.joinable()) preparation_.join();
  take_work(false);
  {
    const std::lock_guard lock(mutex_);
    std::move(unprepared_.begin(), unprepared_.end(), std::back_inserter(runs_));
    unprepared_.clear();
  }
  for (const Run& run : runs_) {
    if (!run->ended()) fail(run, stopping_error());
    run->cancelled = true;
  }
  end_cancelled();
  sweep();
}

}  // namespace hearth
