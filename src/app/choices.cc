#include "app/choices.h"

#include <algorithm>
#include <utility>

namespace hearth {

Choices::Choices(const Tokenizer& tokenizer, ChoicesRequest request, const Options& options)
    : request_(std::move(request)) {
  for (int64_t i = 0; i < request_.count; ++i) {
    TextAnswerOptions how = options(i);
    if (i == 0) {
      how.on_first_token = [this, then = std::move(how.on_first_token)] {
        has_first_token_ = true;
        if (then) then();
      };
    }
    answers_.emplace_back(tokenizer, std::move(how));
  }
}

void Choices::submit(Engine& engine) {
  const int64_t choice = submitted_++;
  GenerationRequest request{.prompt = request_.prompt,
                            .max_tokens = request_.max_tokens,
                            .sampling = request_.sampling,
                            .observer = &answers_[static_cast<size_t>(choice)]};
  request.sampling.seed = seed(choice);
  if (count() > 1) {
    // One token is computed again by each: the first token of an answer is drawn behind it. Their
    // ends lead nowhere, and would push out what the others start from.
    request.keeps_end = false;
    const int64_t shared = static_cast<int64_t>(request_.prompt.size()) - 1;
    if (shared > 0) request.boundaries = {shared};
  }
  engine.submit(std::move(request));
}

int64_t Choices::running() const {
  const auto begin = answers_.begin();
  return submitted_ - std::count_if(begin, begin + submitted_,
                                    [](const TextAnswer& answer) { return answer.finished(); });
}

}  // namespace hearth
