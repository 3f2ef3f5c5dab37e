#include "server/routes/responses_answer.h"

#include <utility>

#include "base/check.h"
#include "server/dialect/openai_fields.h"
#include "server/http/sse.h"
#include "server/routes/carried_reasoning.h"

namespace hearth {
namespace {

/// Codex gives up on a stream in which it hears no event for five minutes; comments do not count.
constexpr double kMaxSilenceSeconds = 20;

const char* error_code(ApiError::Kind kind) {
  switch (kind) {
    case ApiError::Kind::kContextLength: return "context_length_exceeded";
    case ApiError::Kind::kOverloaded: return "rate_limit_exceeded";
    case ApiError::Kind::kInvalid: return "invalid_prompt";
    default: return "server_error";
  }
}

Json reasoning_part(const std::string& text) {
  return {{"type", "reasoning_text"}, {"text", text}};
}

Json output_part(const std::string& text, Json logprobs) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", std::move(logprobs)}};
}

Json usage_json(const AnswerDone& done) {
  return {{"input_tokens", done.usage.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", done.usage.cached_tokens}}},
          {"output_tokens", done.usage.generated_tokens},
          {"output_tokens_details", {{"reasoning_tokens", done.thinking_tokens}}},
          {"total_tokens", done.usage.prompt_tokens + done.usage.generated_tokens}};
}

}  // namespace

std::string ResponsesAnswer::take(const AnswerEvent& event, double now) {
  now_ = now;
  std::visit([this](const auto& what) { on(what); }, event.what);
  return std::exchange(frames_, {});
}

void ResponsesAnswer::emit(const char* type, Json fields) {
  Json event = {{"type", type}, {"sequence_number", sequence_++}};
  event.update(fields);
  frames_ += sse_event(type, to_text(event));
  last_frame_ = now_;
}

void ResponsesAnswer::emit_of(const char* type, size_t index, Json fields) {
  Json place = {{"item_id", output_[index].id}, {"output_index", index}};
  place.update(fields);
  emit(type, std::move(place));
}

void ResponsesAnswer::emit_part(const char* type, size_t index, Json fields) {
  Json place = {{"content_index", 0}};
  place.update(fields);
  emit_of(type, index, std::move(place));
}

void ResponsesAnswer::begin() {
  if (std::exchange(begun_, true)) return;
  emit("response.created", {{"response", object()}});
  emit("response.in_progress", {{"response", object()}});
}

void ResponsesAnswer::on(const PromptProgress&) {
  begin();
  if (now_ - last_frame_ < kMaxSilenceSeconds) return;
  emit("response.in_progress", {{"response", object()}});
}

void ResponsesAnswer::open(Item item) {
  begin();
  const size_t index = output_.size();
  const char* prefix = "msg_";
  if (item.kind == Kind::kReasoning) prefix = "rs_";
  if (item.kind == Kind::kCall) prefix = "fc_";
  item.id = prefix + head_.id.substr(head_.id.find('_') + 1) + "_" + std::to_string(index);
  output_.push_back(std::move(item));
  emit("response.output_item.added",
       {{"output_index", index}, {"item", item_json(output_[index], false)}});
}

void ResponsesAnswer::close(size_t index, const char* status) {
  Item& item = output_[index];
  item.status = status;
  if (item.kind == Kind::kCall) {
    emit_of("response.function_call_arguments.done", index,
            {{"name", item.name}, {"arguments", item.text}});
  } else if (item.kind == Kind::kReasoning) {
    emit_part("response.reasoning_text.done", index, {{"text", item.text}});
    emit_part("response.content_part.done", index, {{"part", reasoning_part(item.text)}});
  } else {
    emit_part("response.output_text.done", index,
              {{"text", item.text}, {"logprobs", item.logprobs}});
    emit_part("response.content_part.done", index,
              {{"part", output_part(item.text, item.logprobs)}});
  }
  emit("response.output_item.done", {{"output_index", index}, {"item", item_json(item, true)}});
}

void ResponsesAnswer::close_text(const char* status) {
  if (!open_text_) return;
  close(*open_text_, status);
  open_text_.reset();
}

void ResponsesAnswer::on(const TextDelta& delta) {
  const bool reasoning = delta.part == TextDelta::Part::kThinking;
  const Kind kind = reasoning ? Kind::kReasoning : Kind::kMessage;
  const bool goes_on = open_text_ && output_[*open_text_].kind == kind;
  // The last tokens may have logprobs, but no text.
  if (delta.text.empty() && (delta.logprobs.empty() || !goes_on)) return;
  if (!goes_on) {
    close_text("completed");
    open({.kind = kind, .id = {}, .call_id = {}, .name = {}, .text = {}});
    open_text_ = output_.size() - 1;
    emit_part("response.content_part.added", *open_text_,
              {{"part", reasoning ? reasoning_part("") : output_part("", Json::array())}});
  }
  Item& item = output_[*open_text_];
  item.text += delta.text;
  if (reasoning) {
    emit_part("response.reasoning_text.delta", *open_text_, {{"delta", delta.text}});
    return;
  }
  Json logprobs = logprobs_json(delta.logprobs);
  item.logprobs.insert(item.logprobs.end(), logprobs.begin(), logprobs.end());
  emit_part("response.output_text.delta", *open_text_,
            {{"delta", delta.text}, {"logprobs", std::move(logprobs)}});
}

void ResponsesAnswer::on(const ToolCallBegin& call) {
  close_text("completed");
  open({.kind = Kind::kCall, .id = {}, .call_id = call.id, .name = call.name, .text = {}});
  calls_[call.index] = output_.size() - 1;
}

void ResponsesAnswer::on(const ToolCallArguments& arguments) {
  const auto call = calls_.find(arguments.index);
  CHECK(call != calls_.end());
  output_[call->second].text += arguments.text;
  emit_of("response.function_call_arguments.delta", call->second, {{"delta", arguments.text}});
}

void ResponsesAnswer::on(const ToolCallEnd& end) {
  const auto call = calls_.find(end.index);
  CHECK(call != calls_.end());
  close(call->second, "completed");
  calls_.erase(call);
}

void ResponsesAnswer::on(const ChoiceFinished& finished) {
  cut_ = finished.reason == ChoiceFinished::Reason::kLength;
  close_text(cut_ ? "incomplete" : "completed");
  for (const auto& [number, index] : std::exchange(calls_, {})) close(index, "incomplete");
}

void ResponsesAnswer::on(const AnswerDone& done) {
  begin();
  usage_ = usage_json(done);
  status_ = cut_ ? "incomplete" : "completed";
  emit(cut_ ? "response.incomplete" : "response.completed", {{"response", object()}});
}

void ResponsesAnswer::on(const AnswerFailed& failed) {
  begin();
  for (Item& item : output_) {
    if (item.status == std::string_view("in_progress")) item.status = "incomplete";
  }
  status_ = "failed";
  error_ = {{"code", error_code(failed.error.kind())}, {"message", failed.error.what()}};
  emit("response.failed", {{"response", object()}});
}

Json ResponsesAnswer::item_json(const Item& item, bool with_content) const {
  if (item.kind == Kind::kCall) {
    return {{"id", item.id},           {"type", "function_call"}, {"status", item.status},
            {"call_id", item.call_id}, {"name", item.name},       {"arguments", item.text}};
  }
  const bool reasoning = item.kind == Kind::kReasoning;
  Json content = Json::array();
  if (with_content) {
    content.push_back(reasoning ? reasoning_part(item.text)
                                : output_part(item.text, item.logprobs));
  }
  if (!reasoning) {
    return {{"id", item.id},
            {"type", "message"},
            {"status", item.status},
            {"role", "assistant"},
            {"content", std::move(content)}};
  }
  Json json = {{"id", item.id},
               {"type", "reasoning"},
               {"status", item.status},
               {"summary", Json::array()},
               {"content", std::move(content)}};
  if (head_.carries_reasoning && with_content) {
    json["encrypted_content"] = carry_reasoning(item.text);
  }
  return json;
}

Json ResponsesAnswer::object() const {
  Json output = Json::array();
  for (const Item& item : output_) output.push_back(item_json(item, true));
  Json object = {
      {"id", head_.id},
      {"object", "response"},
      {"created_at", head_.created_at},
      {"completed_at", ended() ? Json(static_cast<int64_t>(now_)) : Json()},
      {"status", status_},
      {"error", error_},
      {"incomplete_details", cut_ ? Json{{"reason", "max_output_tokens"}} : Json()},
      {"model", head_.model},
      {"output", std::move(output)},
      {"usage", usage_},
  };
  object.update(head_.echo);
  return object;
}

}  // namespace hearth
