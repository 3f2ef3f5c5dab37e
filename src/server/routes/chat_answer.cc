#include "server/routes/chat_answer.h"

#include <optional>

#include "base/clock.h"
#include "server/dialect/openai_error.h"

namespace hearth {
namespace {

class ChatWriter : public AnswerWriter {
 public:
  explicit ChatWriter(ChatHead head) : head_(std::move(head)) {}

  HttpResponse refuse(const ApiError& error) override { return openai_refusal(error); }
  std::string fail(const ApiError& error) override {
    return openai_chunk(openai_error(error)) + kOpenAiStreamEnd;
  }

 protected:
  Json object(const char* kind, Json choices) const {
    return {{"id", head_.id},
            {"object", kind},
            {"created", head_.created},
            {"model", head_.model},
            {"system_fingerprint", "hearth-" + head_.version},
            {"choices", std::move(choices)}};
  }

  /// Adds text to a message or a delta.
  void add_text(const TextDelta& delta, Json& to) const {
    const auto append = [&](const char* key) {
      Json& text = to[key];
      if (!text.is_string()) text = "";
      text.get_ref<std::string&>() += delta.text;
    };
    if (delta.part == TextDelta::Part::kAnswer) return append("content");
    append("reasoning_content");
    if (head_.both_reasoning_fields) append("reasoning");
  }

  ChatHead head_;
  UsageCount usage_;
};

/// Chunks as events come.
class ChatChunks : public ChatWriter {
 public:
  using ChatWriter::ChatWriter;

  std::string take(size_t request, const AnswerEvent& event) override {
    usage_.take(request, event);
    return std::visit([&](const auto& what) { return show(event.choice, what); }, event.what);
  }
  std::string finish() override { return kOpenAiStreamEnd; }

 private:
  Json chunk(Json choices) const {
    Json json = object("chat.completion.chunk", std::move(choices));
    if (head_.sending.include_usage) json["usage"] = nullptr;
    return json;
  }
  Json chunk(int64_t choice, Json delta) const {
    return chunk(Json::array({{{"index", choice},
                               {"delta", std::move(delta)},
                               {"logprobs", nullptr},
                               {"finish_reason", nullptr}}}));
  }
  static Json call_delta(Json call) { return {{"tool_calls", Json::array({std::move(call)})}}; }

  std::string show(int64_t, const AnswerAccepted& accepted) {
    prompt_tokens_ = accepted.prompt_tokens;
    std::string text;
    for (int64_t choice = 0; choice < head_.choices; ++choice) {
      text += openai_chunk(chunk(choice, {{"role", "assistant"}, {"content", ""}}));
    }
    return text;
  }
  std::string show(int64_t, const PromptProgress& progress) const {
    if (!head_.sending.progress) return "";
    Json json = chunk(Json::array());
    json["prompt_progress"] = {{"total", prompt_tokens_},
                               {"cache", progress.cached},
                               {"processed", progress.done},
                               {"time_ms", 1e3 * stopwatch_.seconds()}};
    return openai_chunk(json);
  }
  std::string show(int64_t, const PromptLogprobs&) const { return ""; }
  std::string show(int64_t choice, const TextDelta& delta) const {
    if (delta.text.empty() && delta.logprobs.empty()) return "";
    Json fields = Json::object();
    add_text(delta, fields);
    Json json = chunk(choice, std::move(fields));
    if (head_.logprobs && !delta.logprobs.empty()) {
      json["choices"][0]["logprobs"] = {{"content", logprobs_json(delta.logprobs)},
                                        {"refusal", nullptr}};
    }
    return openai_chunk(json);
  }
  std::string show(int64_t choice, const ToolCallBegin& call) const {
    return openai_chunk(
        chunk(choice, call_delta({{"index", call.index},
                                  {"id", call.id},
                                  {"type", "function"},
                                  {"function", {{"name", call.name}, {"arguments", ""}}}})));
  }
  std::string show(int64_t choice, const ToolCallArguments& more) const {
    return openai_chunk(chunk(
        choice, call_delta({{"index", more.index}, {"function", {{"arguments", more.text}}}})));
  }
  std::string show(int64_t, const ToolCallEnd&) const { return ""; }
  /// The last of them carries the timings, which come with AnswerDone.
  std::string show(int64_t choice, const ChoiceFinished& finished) {
    std::string text = held_.is_null() ? "" : openai_chunk(held_);
    held_ = chunk(choice, Json::object());
    held_["choices"][0]["finish_reason"] = openai_finish_reason(finished.reason);
    return text;
  }
  std::string show(int64_t, const AnswerDone&) {
    if (!head_.sending.include_usage) {
      held_["timings"] = usage_.timings();
      return openai_chunk(held_);
    }
    Json last = chunk(Json::array());
    last["usage"] = usage_.usage();
    last["timings"] = usage_.timings();
    return openai_chunk(held_) + openai_chunk(last);
  }
  std::string show(int64_t, const AnswerFailed&) const { return ""; }

  int64_t prompt_tokens_ = 0;
  Stopwatch stopwatch_;
  Json held_;
};

/// One object at the end.
class ChatWhole : public ChatWriter {
 public:
  explicit ChatWhole(ChatHead head) : ChatWriter(std::move(head)) {
    for (int64_t i = 0; i < head_.choices; ++i) {
      choices_.push_back({{"index", i},
                          {"message", {{"role", "assistant"}, {"content", nullptr}}},
                          {"logprobs", nullptr},
                          {"finish_reason", nullptr}});
    }
  }

  std::string take(size_t request, const AnswerEvent& event) override {
    usage_.take(request, event);
    Json& choice = choices_.at(static_cast<size_t>(event.choice));
    std::visit([&](const auto& what) { add(choice, what); }, event.what);
    return "";
  }

  std::string finish() override {
    for (Json& choice : choices_) {
      Json& message = choice["message"];
      if (message["content"].is_null() && !message.contains("tool_calls")) message["content"] = "";
    }
    Json json = object("chat.completion", std::move(choices_));
    json["usage"] = usage_.usage();
    json["timings"] = usage_.timings();
    return to_text(json);
  }

 private:
  void add(Json& choice, const TextDelta& delta) const {
    if (!delta.text.empty()) add_text(delta, choice["message"]);
    if (!head_.logprobs || delta.logprobs.empty()) return;
    Json& logprobs = choice["logprobs"];
    if (logprobs.is_null()) logprobs = {{"content", Json::array()}, {"refusal", nullptr}};
    for (Json& place : logprobs_json(delta.logprobs)) logprobs["content"].push_back(place);
  }
  void add(Json& choice, const ToolCallBegin& call) const {
    Json& calls = choice["message"]["tool_calls"];
    if (calls.is_null()) calls = Json::array();
    calls.push_back({{"id", call.id},
                     {"type", "function"},
                     {"function", {{"name", call.name}, {"arguments", ""}}}});
  }
  void add(Json& choice, const ToolCallArguments& more) const {
    Json& call = choice["message"]["tool_calls"].at(static_cast<size_t>(more.index));
    call["function"]["arguments"].get_ref<std::string&>() += more.text;
  }
  void add(Json& choice, const ChoiceFinished& finished) const {
    choice["finish_reason"] = openai_finish_reason(finished.reason);
  }
  template <typename Other>
  void add(Json&, const Other&) const {}

  Json choices_ = Json::array();
};

}  // namespace

std::unique_ptr<AnswerWriter> chat_writer(ChatHead head) {
  if (head.sending.stream) return std::make_unique<ChatChunks>(std::move(head));
  return std::make_unique<ChatWhole>(std::move(head));
}

}  // namespace hearth
