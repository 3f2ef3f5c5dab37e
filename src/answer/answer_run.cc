#include "answer/answer_run.h"

#include <algorithm>
#include <utility>

namespace hearth {

void AnswerRun::tell(int64_t choice, AnswerOutput::Event event) {
  if (!cancelled) sink->take({choice, std::move(event)});
}

void AnswerRun::prepare(ChatFormat& chat_format, ChatPrompt made, std::vector<int64_t> keep_at,
                        int64_t room) {
  format = &chat_format;
  prompt = std::move(made);
  boundaries = std::move(keep_at);
  max_tokens = std::min(request.max_tokens.value_or(room), room);
  for (int64_t i = 0; i < request.choices; ++i) {
    choices.push_back(std::make_unique<AnswerChoice>(*this, i));
  }
}

/// Times are those of the first choice, but for the longest decode: choices run side by side.
void AnswerRun::choice_finished(int64_t choice, const GenerationUsage& cost) {
  const int64_t generated = done.usage.generated_tokens + cost.generated_tokens;
  const double decode_seconds = std::max(done.usage.decode_seconds, cost.decode_seconds);
  if (choice == 0) done.usage = cost;
  done.usage.generated_tokens = generated;
  done.usage.decode_seconds = decode_seconds;
  prompt_tokens += cost.prompt_tokens;
  cached_tokens += cost.cached_tokens;
  ++finished;
  if (!ended()) return;
  note_miss();
  tell(0, done);
}

void AnswerRun::note_miss() {
  const GenerationUsage& usage = done.usage;
  if (usage.remembered_token < 0 || usage.known_tokens <= usage.cached_tokens) return;
  const Tokenizer& tokenizer = format->tokenizer();
  done.miss = PrefixMiss{
      .position = usage.known_tokens,
      .text = tokenizer.decode({&prompt.tokens[static_cast<size_t>(usage.known_tokens)], 1}, false),
      .remembered = tokenizer.decode({&usage.remembered_token, 1}, false)};
}

}  // namespace hearth
