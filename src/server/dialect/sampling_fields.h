// How a request wants its tokens chosen, by the one table of sampling parameters.
#pragma once

#include <optional>

#include "answer/answer_request.h"
#include "server/dialect/json_fields.h"

namespace hearth {

/// `defaults` with what the body says. Without a seed, or with -1, a random one; other negative
/// seeds are taken as 64 bits. Throws ApiError naming the field.
SamplingParameters sampling_fields(const JsonFields& body, const SamplingParameters& defaults);

/// An effort of reasoning, as OpenAI's clients name it: "none" turns it off, "minimal" and "low"
/// bound it, others leave it to the model. Templates that know `reasoning_effort` see it, too.
/// Throws ApiError naming `path` for a word that is none of them.
void apply_reasoning_effort(const std::string& effort, const std::string& path,
                            AnswerRequest& request);

/// Turns reasoning on or off where the template knows how.
void enable_thinking(bool enable, AnswerRequest& request);

}  // namespace hearth
