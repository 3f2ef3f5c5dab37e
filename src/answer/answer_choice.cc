#include "answer/answer_run.h"

#include <functional>
#include <utility>

#include "engine/logprobs.h"

namespace hearth {

AnswerChoice::AnswerChoice(AnswerRun& run, int64_t index)
    : run_(run),
      index_(index),
      output_(run.format->tokenizer(), run.request, run.prompt.starts_in_thinking) {
  if (!run.matcher) return;
  constraint_.emplace(run.matcher->fork(), *run.constraint_tokens, run.prompt.starts_in_thinking);
}

GenerationRequest AnswerChoice::generation() {
  const AnswerRequest& asked = run_.request;
  GenerationRequest request{
      .prompt = run_.prompt.tokens,
      .boundaries = run_.boundaries,
      .keeps_end = asked.keeps_states,
      .max_tokens = run_.max_tokens,
      .sampling = asked.sampling,
      .observer = this,
      .constraint = constraint_ ? &*constraint_ : nullptr,
      .priority = asked.priority,
      .client = asked.client.empty() ? 0 : std::hash<std::string>()(asked.client),
      .ends_at_end_token = asked.ends_at_end_token,
      .prompt_logits = asked.prompt_logprobs && index_ == 0,
      .answer_logits = asked.top_logprobs.has_value()};
  request.sampling.seed += static_cast<uint64_t>(index_);
  return request;
}

bool AnswerChoice::behind() const noexcept { return !run_.cancelled && run_.sink->full(); }

void AnswerChoice::on_prompt(int64_t done) noexcept {
  if (index_ > 0) return;
  if (run_.cached < 0) {  // the first call
    run_.leave_queue();
    run_.cached = done;
  }
  run_.tell(0, PromptProgress{.done = done, .cached = run_.cached});
  if (done < static_cast<int64_t>(run_.prompt.tokens.size())) return;
  run_.prompt_done = true;
  if (run_.request.prompt_logprobs) {
    if (prompt_logprobs_.empty()) prompt_logprobs_.push_back(first_logprobs());
    run_.tell(0, PromptLogprobs{std::exchange(prompt_logprobs_, {})});
  }
}

PlaceLogprobs AnswerChoice::logprobs(int32_t token, std::span<const float> logits) const {
  const TokenChances chances = token_chances(logits, token, *run_.request.top_logprobs);
  const auto named = [&](const TokenChance& chance) {
    return TokenLogprob{chance.token, chance.logprob,
                        run_.format->tokenizer().token_text(chance.token)};
  };
  PlaceLogprobs place{.chosen = named(chances.chosen), .top = {}};
  for (const TokenChance& chance : chances.top) place.top.push_back(named(chance));
  return place;
}

/// Nothing precedes the first token of a prompt.
PlaceLogprobs AnswerChoice::first_logprobs() const {
  const int32_t token = run_.prompt.tokens.front();
  return {.chosen = {token, 0, run_.format->tokenizer().token_text(token)}, .top = {}};
}

void AnswerChoice::on_prompt_logits(int64_t index, std::span<const float> logits) noexcept {
  const std::vector<int32_t>& prompt = run_.prompt.tokens;
  if (index == 0) prompt_logprobs_.push_back(first_logprobs());
  prompt_logprobs_.push_back(logprobs(prompt[static_cast<size_t>(index) + 1], logits));
}

void AnswerChoice::on_logits(int32_t token, std::span<const float> logits) noexcept {
  next_logprobs_ = logprobs(token, logits);
}

void AnswerChoice::tell(std::vector<AnswerOutput::Event> events) {
  for (AnswerOutput::Event& event : events) {
    if (const auto* end = std::get_if<ChoiceFinished>(&event)) {
      run_.done.thinking_tokens += end->thinking_tokens;
    }
    run_.tell(index_, std::move(event));
  }
}

bool AnswerChoice::on_token(int32_t token) noexcept {
  tokens_.push_back(token);
  tell(output_.push(token, std::exchange(next_logprobs_, std::nullopt)));
  return !output_.done() && !run_.cancelled;
}

void AnswerChoice::on_finish(FinishReason reason, const GenerationUsage& usage) noexcept {
  // Before anybody can come back with the next turn.
  if (std::holds_alternative<ChatInput>(run_.request.input) && !tokens_.empty()) {
    run_.format->remember(run_.prompt, tokens_);
  }
  tell(output_.finish(reason));
  run_.choice_finished(index_, usage);
}

}  // namespace hearth
