#include "server/dialect/openai_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "server/dialect/limits.h"
#include "server/dialect/sampling_fields.h"
#include "server/http/sse.h"

namespace hearth {
namespace {

constexpr int64_t kTokensMax = 1 << 30;

AnswerFormat text_format(const JsonFields& fields, const char* key, AnswerFormat::Kind kind) {
  std::string source = *fields.text(key);
  if (source.size() > kLimits.schema_bytes) {
    fields.fail(key, fmt::format("has {} bytes; at most {} are allowed", source.size(),
                                 kLimits.schema_bytes));
  }
  return {.kind = kind, .source = std::move(source)};
}

/// A schema is an object, or true; vLLM's clients also send its text.
AnswerFormat schema_format(const JsonFields& fields, const char* key) {
  const Json& schema = *fields.find(key);
  std::string source;
  if (schema.is_string()) {
    source = to_text(parse_json(schema.get_ref<const std::string&>()));
  } else if (schema.is_object() || schema.is_boolean()) {
    source = to_text(schema);
  } else {
    fields.fail(key, fmt::format("must be a JSON schema, not {}", kind_of(schema)));
  }
  if (source.size() > kLimits.schema_bytes) {
    fields.fail(key, fmt::format("has {} bytes; at most {} are allowed", source.size(),
                                 kLimits.schema_bytes));
  }
  return {.kind = AnswerFormat::Kind::kJsonSchema, .source = std::move(source)};
}

AnswerFormat response_format(const JsonFields& format) {
  const std::string type = format.required_text("type");
  if (type == "text") return {};
  if (type == "json_object") {
    if (format.has("schema")) return schema_format(format, "schema");
    return {.kind = AnswerFormat::Kind::kJsonObject};
  }
  if (type == "json_schema") {
    if (const auto nested = format.object("json_schema")) {
      if (nested->has("schema")) return schema_format(*nested, "schema");
      nested->fail("schema", "is missing; it must be a JSON schema");
    }
    if (format.has("schema")) return schema_format(format, "schema");
    format.fail("json_schema", "is missing; it must be an object with a schema");
  }
  format.fail("type", fmt::format("must be text, json_object or json_schema, not \"{}\"",
                                  type.substr(0, 64)));
}

AnswerFormat structured_outputs(const JsonFields& outputs) {
  if (outputs.has("json")) return schema_format(outputs, "json");
  if (outputs.has("regex")) return text_format(outputs, "regex", AnswerFormat::Kind::kRegex);
  if (outputs.has("grammar")) return text_format(outputs, "grammar", AnswerFormat::Kind::kLark);
  if (outputs.boolean("json_object").value_or(false)) {
    return {.kind = AnswerFormat::Kind::kJsonObject};
  }
  outputs.fail("", "must have json, regex, grammar (Lark) or json_object");
}

double per_second(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double ms_each(int64_t count, double seconds) {
  return count > 0 ? 1e3 * seconds / static_cast<double>(count) : 0;
}

Json token_json(const TokenLogprob& token) {
  Json bytes = Json::array();
  for (const char c : token.bytes) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", token.bytes},
          {"logprob", finite_logprob(token.logprob)},
          {"bytes", std::move(bytes)}};
}

}  // namespace

StreamFields stream_fields(const JsonFields& body) {
  StreamFields fields;
  fields.stream = body.boolean("stream").value_or(false);
  fields.progress = body.boolean("return_progress").value_or(false);
  if (const auto options = body.object("stream_options")) {
    if (!fields.stream) body.fail("stream_options", "is only allowed where stream is true");
    fields.include_usage = options->boolean("include_usage").value_or(false);
  }
  return fields;
}

void apply_lengths(const JsonFields& body, int64_t min_tokens, AnswerRequest& request) {
  request.choices = body.integer("n", 1, kLimits.choices).value_or(1);
  for (const char* key : {"max_completion_tokens", "max_tokens", "n_predict"}) {
    if (!body.has(key)) continue;
    const int64_t tokens = *body.integer(key, -1, kTokensMax);
    if (tokens >= min_tokens) {
      request.max_tokens = tokens;
    } else if (tokens != -1) {
      body.fail(key, fmt::format("must be {} or more, or -1 for as many as there is room for",
                                 min_tokens));
    }
    return;
  }
}

void apply_thinking(const JsonFields& body, AnswerRequest& request) {
  if (const auto effort = body.text("reasoning_effort")) {
    apply_reasoning_effort(*effort, body.path("reasoning_effort"), request);
  }
  if (const auto enable = body.boolean("enable_thinking")) enable_thinking(*enable, request);
  const auto budget = [&](const JsonFields& fields, const char* key) {
    if (!fields.has(key)) return;
    const int64_t tokens = *fields.integer(key, -1, kTokensMax);
    if (tokens < 0) {
      request.thinking_budget.reset();
    } else {
      request.thinking_budget = tokens;
    }
  };
  if (const auto reasoning = body.object("reasoning")) {
    if (const auto effort = reasoning->text("effort")) {
      apply_reasoning_effort(*effort, reasoning->path("effort"), request);
    }
    if (const auto enable = reasoning->boolean("enabled")) enable_thinking(*enable, request);
    budget(*reasoning, "max_tokens");
  }
  if (const auto thinking = body.object("thinking")) {
    const std::string type = thinking->text("type").value_or("enabled");
    enable_thinking(type != "disabled", request);
    if (type != "disabled") budget(*thinking, "budget_tokens");
  }
  for (const char* key : {"thinking_budget", "reasoning_budget", "reasoning_budget_tokens",
                          "thinking_token_budget", "thinking_budget_tokens"}) {
    budget(body, key);
  }
}

AnswerFormat format_fields(const JsonFields& body) {
  std::vector<AnswerFormat> formats;
  if (const auto format = body.object("response_format")) {
    formats.push_back(response_format(*format));
  }
  if (body.has("json_schema")) formats.push_back(schema_format(body, "json_schema"));
  if (const auto outputs = body.object("structured_outputs")) {
    formats.push_back(structured_outputs(*outputs));
  }
  if (body.has("guided_json")) formats.push_back(schema_format(body, "guided_json"));
  if (body.has("guided_regex")) {
    formats.push_back(text_format(body, "guided_regex", AnswerFormat::Kind::kRegex));
  }
  if (body.has("grammar")) {
    body.fail("grammar", "(GBNF) is not known here; write structured_outputs.grammar, in Lark");
  }
  std::erase_if(
      formats, [](const AnswerFormat& format) { return format.kind == AnswerFormat::Kind::kText; });
  if (formats.size() > 1) {
    body.fail("response_format",
              "is one of several fields that say what the answer looks like; "
              "give one");
  }
  return formats.empty() ? AnswerFormat() : formats.front();
}

void UsageCount::take(size_t request, const AnswerEvent& event) {
  if (const auto* const accepted = std::get_if<AnswerAccepted>(&event.what)) {
    prompt_tokens_.at(request) = accepted->prompt_tokens;
  } else if (const auto* const done = std::get_if<AnswerDone>(&event.what)) {
    // Several choices share a prompt: it counts once.
    sum_.prompt_tokens += prompt_tokens_.at(request);
    sum_.cached_tokens += std::min(done->usage.cached_tokens, prompt_tokens_.at(request));
    sum_.generated_tokens += done->usage.generated_tokens;
    sum_.prefill_seconds += done->usage.prefill_seconds;
    sum_.decode_seconds += done->usage.decode_seconds;
    thinking_tokens_ += done->thinking_tokens;
    if (!miss_) miss_ = done->miss;
  }
}

Json UsageCount::usage() const {
  return {{"prompt_tokens", sum_.prompt_tokens},
          {"completion_tokens", sum_.generated_tokens},
          {"total_tokens", sum_.prompt_tokens + sum_.generated_tokens},
          {"prompt_tokens_details", {{"cached_tokens", sum_.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", thinking_tokens_}}}};
}

Json UsageCount::timings() const {
  const int64_t computed = sum_.prompt_tokens - sum_.cached_tokens;
  // The first token comes out of the prompt's last pass.
  const int64_t decoded = std::max<int64_t>(sum_.generated_tokens - 1, 0);
  Json timings = {{"cache_n", sum_.cached_tokens},
                  {"prompt_n", computed},
                  {"prompt_ms", 1e3 * sum_.prefill_seconds},
                  {"prompt_per_token_ms", ms_each(computed, sum_.prefill_seconds)},
                  {"prompt_per_second", per_second(computed, sum_.prefill_seconds)},
                  {"predicted_n", sum_.generated_tokens},
                  {"predicted_ms", 1e3 * sum_.decode_seconds},
                  {"predicted_per_token_ms", ms_each(decoded, sum_.decode_seconds)},
                  {"predicted_per_second", per_second(decoded, sum_.decode_seconds)}};
  if (miss_) {
    timings["cache_miss"] = {
        {"position", miss_->position}, {"token", miss_->text}, {"remembered", miss_->remembered}};
  }
  return timings;
}

const char* openai_finish_reason(ChoiceFinished::Reason reason) {
  switch (reason) {
    case ChoiceFinished::Reason::kEnd:
    case ChoiceFinished::Reason::kStop: return "stop";
    case ChoiceFinished::Reason::kLength: return "length";
    case ChoiceFinished::Reason::kToolCalls: return "tool_calls";
  }
  CHECK(!"an unknown reason");
  return "";
}

double finite_logprob(double logprob) { return std::max(logprob, -9999.0); }

Json logprobs_json(const std::vector<PlaceLogprobs>& places) {
  Json list = Json::array();
  for (const PlaceLogprobs& place : places) {
    list.push_back(token_json(place.chosen));
    Json& top = list.back()["top_logprobs"] = Json::array();
    for (const TokenLogprob& other : place.top) top.push_back(token_json(other));
  }
  return list;
}

std::string openai_chunk(const Json& json) { return sse_data(to_text(json)); }

}  // namespace hearth
