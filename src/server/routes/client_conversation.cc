#include "server/routes/client_conversation.h"

#include <fmt/format.h>

#include <utility>

namespace hearth {
namespace {

void append(std::string& text, const std::string& more, const char* between) {
  if (!text.empty() && !more.empty()) text += between;
  text += more;
}

}  // namespace

void ClientConversation::instruct(const std::string& text) {
  if (answered_) {
    remark(fmt::format("<system-reminder>\n{}\n</system-reminder>", text));
  } else {
    append(instructions_, text, "\n\n");
  }
}

void ClientConversation::say(const std::string& text) {
  messages_.push_back({{"role", "user"}, {"content", text}});
}

void ClientConversation::remark(const std::string& text) {
  if (messages_.empty() || messages_.back()["role"] == "assistant") return say(text);
  append(messages_.back()["content"].get_ref<std::string&>(), text, "\n\n");
}

Json& ClientConversation::own_turn() {
  answered_ = true;
  if (messages_.empty() || messages_.back()["role"] != "assistant") {
    messages_.push_back({{"role", "assistant"}, {"content", ""}});
  }
  return messages_.back();
}

void ClientConversation::think(const std::string& text) {
  Json& turn = own_turn();
  if (!turn.contains("reasoning_content")) turn["reasoning_content"] = "";
  append(turn["reasoning_content"].get_ref<std::string&>(), text, "\n");
}

void ClientConversation::answer(const std::string& text) {
  append(own_turn()["content"].get_ref<std::string&>(), text, "\n");
}

void ClientConversation::call(const std::string& id, const std::string& name, Json arguments) {
  own_turn()["tool_calls"].push_back(
      {{"id", id},
       {"type", "function"},
       {"function", {{"name", name}, {"arguments", std::move(arguments)}}}});
}

void ClientConversation::result(const std::string& call_id, const std::string& text) {
  messages_.push_back({{"role", "tool"}, {"tool_call_id", call_id}, {"content", text}});
}

bool ClientConversation::ends_with_answer() const {
  return !messages_.empty() && messages_.back()["role"] == "assistant" &&
         !messages_.back().contains("tool_calls");
}

Json ClientConversation::messages() const {
  Json all = Json::array();
  if (!instructions_.empty()) {
    all.push_back({{"role", "system"}, {"content", instructions_}});
  }
  for (const Json& message : messages_) all.push_back(message);
  return all;
}

Json call_arguments(const std::string& text) {
  if (text.empty()) return Json::object();
  return parse_object(text).value_or(Json{{"arguments", text}});
}

std::optional<Json> parse_object(const std::string& text) {
  try {
    Json json = parse_json(text);
    if (json.is_object()) return json;
  } catch (const ApiError&) {
    // The caller knows what to make of it.
  }
  return {};
}

}  // namespace hearth
