#include "server/routes/messages_answer.h"

#include <utility>

#include "base/check.h"
#include "server/dialect/anthropic_error.h"
#include "server/http/sse.h"
#include "server/routes/carried_reasoning.h"
#include "server/routes/client_conversation.h"

namespace hearth {
namespace {

/// Clients give up on a stream in which they hear nothing for a minute or more, and for some of
/// them comments are nothing.
constexpr double kMaxSilenceSeconds = 20;

const char* stop_reason(ChoiceFinished::Reason reason) {
  switch (reason) {
    case ChoiceFinished::Reason::kEnd: return "end_turn";
    case ChoiceFinished::Reason::kStop: return "stop_sequence";
    case ChoiceFinished::Reason::kLength: return "max_tokens";
    case ChoiceFinished::Reason::kToolCalls: return "tool_use";
  }
  CHECK(!"an unknown reason");
  return "";
}

}  // namespace

std::string MessagesAnswer::take(const AnswerEvent& event, double now) {
  now_ = now;
  std::visit([this](const auto& what) { on(what); }, event.what);
  return std::exchange(frames_, {});
}

void MessagesAnswer::emit(const char* type, Json fields) {
  Json event = {{"type", type}};
  event.update(fields);
  frames_ += sse_event(type, to_text(event));
  last_frame_ = now_;
}

void MessagesAnswer::begin() {
  if (std::exchange(begun_, true)) return;
  emit("message_start", {{"message", object()}});
}

/// The message begins with the first of these: what was cached is known then.
void MessagesAnswer::on(const PromptProgress& progress) {
  cached_tokens_ = progress.cached;
  begin();
  if (now_ - last_frame_ >= kMaxSilenceSeconds) emit("ping", Json::object());
}

void MessagesAnswer::open(Block block) {
  begin();
  const size_t index = content_.size();
  content_.push_back(std::move(block));
  const Block& opened = content_.back();
  Json start = {{"type", "text"}, {"text", ""}};
  if (opened.kind == Kind::kThinking) {
    start = {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
  } else if (opened.kind == Kind::kCall) {
    start = {
        {"type", "tool_use"}, {"id", opened.id}, {"name", opened.name}, {"input", Json::object()}};
  }
  emit("content_block_start", {{"index", index}, {"content_block", std::move(start)}});
  if (index == 0) emit("ping", Json::object());
}

void MessagesAnswer::delta(size_t index, Json what) {
  emit("content_block_delta", {{"index", index}, {"delta", std::move(what)}});
}

void MessagesAnswer::close(size_t index) {
  const Block& block = content_[index];
  if (block.kind == Kind::kThinking) {
    delta(index, {{"type", "signature_delta"}, {"signature", block_json(block)["signature"]}});
  }
  emit("content_block_stop", {{"index", index}});
}

void MessagesAnswer::close_text() {
  if (!open_text_) return;
  close(*open_text_);
  open_text_.reset();
}

void MessagesAnswer::on(const TextDelta& text) {
  const bool thinking = text.part == TextDelta::Part::kThinking;
  if (text.text.empty() || (thinking && head_.thinking == ThinkingBlocks::kHidden)) {
    if (begun_ && now_ - last_frame_ >= kMaxSilenceSeconds) emit("ping", Json::object());
    return;
  }
  const Kind kind = thinking ? Kind::kThinking : Kind::kText;
  if (!open_text_ || content_[*open_text_].kind != kind) {
    close_text();
    open({.kind = kind, .id = {}, .name = {}, .text = {}});
    open_text_ = content_.size() - 1;
  }
  content_[*open_text_].text += text.text;
  if (!thinking) {
    delta(*open_text_, {{"type", "text_delta"}, {"text", text.text}});
  } else if (head_.thinking == ThinkingBlocks::kShown) {
    delta(*open_text_, {{"type", "thinking_delta"}, {"thinking", text.text}});
  } else if (now_ - last_frame_ >= kMaxSilenceSeconds) {
    emit("ping", Json::object());
  }
}

void MessagesAnswer::on(const ToolCallBegin& call) {
  close_text();
  open({.kind = Kind::kCall, .id = call.id, .name = call.name, .text = {}});
  calls_[call.index] = content_.size() - 1;
}

void MessagesAnswer::on(const ToolCallArguments& arguments) {
  const auto call = calls_.find(arguments.index);
  CHECK(call != calls_.end());
  content_[call->second].text += arguments.text;
  delta(call->second, {{"type", "input_json_delta"}, {"partial_json", arguments.text}});
}

void MessagesAnswer::on(const ToolCallEnd& end) {
  const auto call = calls_.find(end.index);
  CHECK(call != calls_.end());
  close(call->second);
  calls_.erase(call);
}

void MessagesAnswer::on(const ChoiceFinished& finished) {
  close_text();
  for (const auto& [number, index] : std::exchange(calls_, {})) close(index);
  stop_reason_ = stop_reason(finished.reason);
  if (finished.reason == ChoiceFinished::Reason::kStop) stop_sequence_ = finished.stop_string;
}

void MessagesAnswer::on(const AnswerDone& done) {
  prompt_tokens_ = done.usage.prompt_tokens;
  cached_tokens_ = done.usage.cached_tokens;
  begin();
  output_tokens_ = done.usage.generated_tokens;
  emit("message_delta",
       {{"delta", {{"stop_reason", stop_reason_}, {"stop_sequence", stop_sequence_}}},
        {"usage", usage()}});
  emit("message_stop", Json::object());
}

void MessagesAnswer::on(const AnswerFailed& failed) {
  frames_ += sse_event("error", to_text(anthropic_error(failed.error)));
}

/// The input of a call that was cut off is no JSON: then it is empty.
Json MessagesAnswer::block_json(const Block& block) const {
  if (block.kind == Kind::kText) return {{"type", "text"}, {"text", block.text}};
  if (block.kind == Kind::kCall) {
    return {{"type", "tool_use"},
            {"id", block.id},
            {"name", block.name},
            {"input", parse_object(block.text).value_or(Json::object())}};
  }
  const bool shown = head_.thinking == ThinkingBlocks::kShown;
  return {{"type", "thinking"},
          {"thinking", shown ? block.text : ""},
          {"signature", carry_reasoning(shown ? "" : block.text)}};
}

/// Cached tokens are not among the input tokens here.
Json MessagesAnswer::usage() const {
  return {{"input_tokens", prompt_tokens_ - cached_tokens_},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", cached_tokens_},
          {"output_tokens", output_tokens_}};
}

Json MessagesAnswer::object() const {
  Json content = Json::array();
  for (const Block& block : content_) content.push_back(block_json(block));
  return {{"id", head_.id},
          {"type", "message"},
          {"role", "assistant"},
          {"model", head_.model},
          {"content", std::move(content)},
          {"stop_reason", stop_reason_},
          {"stop_sequence", stop_sequence_},
          {"usage", usage()}};
}

}  // namespace hearth
