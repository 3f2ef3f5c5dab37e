#include "server/routes/completion_request.h"

#include <fmt/format.h>

#include <limits>

#include "server/dialect/limits.h"
#include "server/dialect/sampling_fields.h"

namespace hearth {
namespace {

constexpr int64_t kDefaultTokens = 16;  // OpenAI's

bool is_tokens(const Json& value) {
  return value.is_array() && !value.empty() && value.front().is_number();
}

std::vector<int32_t> tokens_of(const JsonFields& body, const Json& ids, const std::string& where) {
  if (ids.size() > kLimits.tokens) {
    body.fail(where,
              fmt::format("has {} tokens; at most {} are allowed", ids.size(), kLimits.tokens));
  }
  std::vector<int32_t> tokens;
  for (const Json& id : ids) {
    const bool fits =
        id.is_number_unsigned() && id.get<uint64_t>() <= std::numeric_limits<int32_t>::max();
    if (!fits) {
      body.fail(fmt::format("{}[{}]", where, tokens.size()), "must be the id of a token");
    }
    tokens.push_back(id.get<int32_t>());
  }
  return tokens;
}

RawInput prompt_of(const JsonFields& body, const Json& prompt, const std::string& where) {
  if (prompt.is_string()) {
    if (prompt.get_ref<const std::string&>().empty()) body.fail(where, "must not be empty");
    return prompt.get<std::string>();
  }
  if (is_tokens(prompt)) return tokens_of(body, prompt, where);
  body.fail(where, fmt::format("must be a string or an array of token ids, not {}",
                               prompt.is_array() && prompt.empty() ? "empty" : kind_of(prompt)));
}

std::vector<RawInput> prompts_of(const JsonFields& body) {
  const Json* const given = body.find("prompt");
  if (!given) {
    body.fail("prompt", "is missing; it must be a string, token ids, or an array of these");
  }
  if (!given->is_array() || is_tokens(*given)) return {prompt_of(body, *given, "prompt")};
  if (given->empty()) body.fail("prompt", "must not be empty");
  std::vector<RawInput> prompts;
  for (const Json& each : *body.array("prompt", kLimits.prompts)) {
    prompts.push_back(prompt_of(body, each, fmt::format("prompt[{}]", prompts.size())));
  }
  return prompts;
}

void refuse_unknown(const JsonFields& body) {
  if (body.has("suffix") && !body.text("suffix")->empty()) {
    body.fail("suffix", "is not supported: this model cannot fill in between two texts");
  }
  const auto best_of = body.integer("best_of", 1, 1'000'000);
  if (best_of && *best_of != body.integer("n", 1, kLimits.choices).value_or(1)) {
    body.fail("best_of", "is only allowed where it equals n");
  }
}

}  // namespace

CompletionCall completion_call(const JsonFields& body, const AnswerService& service) {
  refuse_unknown(body);
  CompletionCall call;
  call.sending = stream_fields(body);

  AnswerRequest request;
  request.max_tokens = kDefaultTokens;
  if (body.has("max_tokens") || body.has("max_completion_tokens") || body.has("n_predict")) {
    request.max_tokens.reset();
  }
  apply_lengths(body, 0, request);
  request.sampling = sampling_fields(body, service.default_sampling());
  request.format = format_fields(body);
  request.ends_at_end_token = !body.boolean("ignore_eos").value_or(false);
  request.priority = body.integer("priority", -1000, 1000).value_or(0);
  request.top_logprobs = body.integer("logprobs", 0, kLimits.top_logprobs);
  call.logprobs = request.top_logprobs.has_value();
  const bool echo = body.boolean("echo").value_or(false);
  request.prompt_logprobs = echo && call.logprobs;
  // Whoever wants the likelihood of a prompt cuts off the one token of the answer, which must
  // therefore be among the tokens, also where it is the end token.
  if (request.prompt_logprobs && request.max_tokens == 1) request.ends_at_end_token = false;

  for (RawInput& prompt : prompts_of(body)) {
    if (echo) {
      const auto* const text = std::get_if<std::string>(&prompt);
      call.echoes.push_back(text ? *text
                                 : service.detokenize(std::get<std::vector<int32_t>>(prompt)));
    }
    request.input = std::move(prompt);
    call.requests.push_back(request);
  }
  const size_t answers = call.requests.size() * static_cast<size_t>(request.choices);
  if (answers > kLimits.prompts) {
    body.fail("n", fmt::format("times the prompts makes {} answers; at most {} are allowed",
                               answers, kLimits.prompts));
  }
  return call;
}

}  // namespace hearth
