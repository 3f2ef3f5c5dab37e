// Several answers to one prompt, which is computed once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "answer/text_answer.h"
#include "engine/engine.h"

namespace hearth {

/// The most answers to one prompt.
inline constexpr int64_t kMostChoices = 128;

struct ChoicesRequest {
  std::vector<int32_t> prompt;
  int64_t max_tokens = 0;         // of each answer
  SamplingParameters sampling{};  // of the first; each further one has the next seed
  int64_t count = 1;
};

class Choices {
 public:
  /// How an answer is read; called once for each.
  using Options = std::function<TextAnswerOptions(int64_t choice)>;

  /// The tokenizer must outlive it. Throws UsageError for an empty stop string.
  Choices(const Tokenizer& tokenizer, ChoicesRequest request, const Options& options);
  Choices(const Choices&) = delete;
  Choices& operator=(const Choices&) = delete;

  /// Whether the next answer can be submitted: the first at any time, the others as soon as the
  /// prompt is computed. With room for a snapshot in the engine they find its state there.
  bool ready() const { return submitted_ < count() && (submitted_ == 0 || prompt_is_known()); }
  void submit(Engine& engine);

  int64_t count() const { return static_cast<int64_t>(answers_.size()); }
  /// Those that are submitted and have not ended.
  int64_t running() const;
  bool finished() const { return submitted_ == count() && running() == 0; }

  const TextAnswer& answer(int64_t choice) const { return answers_[static_cast<size_t>(choice)]; }
  uint64_t seed(int64_t choice) const {
    return request_.sampling.seed + static_cast<uint64_t>(choice);
  }

 private:
  bool prompt_is_known() const { return has_first_token_ || answers_.front().finished(); }

  ChoicesRequest request_;
  std::deque<TextAnswer> answers_;
  int64_t submitted_ = 0;
  bool has_first_token_ = false;
};

}  // namespace hearth
