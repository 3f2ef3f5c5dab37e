// What Chat Completions and Completions of OpenAI have in common: fields of requests that are not
// about choosing tokens, and the parts of answers that look the same in both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "answer/answer_event.h"
#include "answer/answer_request.h"
#include "server/dialect/json_fields.h"

namespace hearth {

/// How an answer is sent.
struct StreamFields {
  bool stream = false;
  bool include_usage = false;  // a last chunk with the usage
  bool progress = false;       // chunks while the prompt is computed, as llama.cpp sends them
};

StreamFields stream_fields(const JsonFields& body);

/// `n`, and the most tokens of each answer: max_completion_tokens, or max_tokens, or llama.cpp's
/// n_predict, where -1 means as many as there is room for.
void apply_lengths(const JsonFields& body, int64_t min_tokens, AnswerRequest& request);

/// Reasoning: its effort, whether there is any, and its budget by the names that OpenAI,
/// OpenRouter, Qwen, vLLM and llama.cpp use. A budget of -1 is none.
void apply_thinking(const JsonFields& body, AnswerRequest& request);

/// What the answer has to look like: `response_format` in OpenAI's nested form and llama.cpp's flat
/// one, llama.cpp's `json_schema`, and vLLM's `structured_outputs`.
AnswerFormat format_fields(const JsonFields& body);

/// Counts tokens over the requests of an exchange.
class UsageCount {
 public:
  explicit UsageCount(size_t requests = 1) : prompt_tokens_(requests) {}

  /// AnswerAccepted and AnswerDone; no other event matters.
  void take(size_t request, const AnswerEvent& event);

  Json usage() const;
  /// As llama.cpp tells them: "prompt_per_second", "predicted_ms". "cache_miss" says where a prompt
  /// parted from an earlier one, when that made it dearer.
  Json timings() const;

 private:
  std::vector<int64_t> prompt_tokens_;  // of each request
  GenerationUsage sum_;
  int64_t thinking_tokens_ = 0;
  std::optional<PrefixMiss> miss_;  // the first one
};

/// "stop", "length" or "tool_calls".
const char* openai_finish_reason(ChoiceFinished::Reason reason);

/// Finite, as JSON needs it.
double finite_logprob(double logprob);

/// An array: of each place {"token", "logprob", "bytes", "top_logprobs"}.
Json logprobs_json(const std::vector<PlaceLogprobs>& places);

/// "data: JSON" and an empty line.
std::string openai_chunk(const Json& json);
inline constexpr const char* kOpenAiStreamEnd = "data: [DONE]\n\n";

}  // namespace hearth
