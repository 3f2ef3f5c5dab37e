#include "server/routes/chat_messages.h"

#include <fmt/format.h>

#include "server/dialect/limits.h"
#include "server/routes/chat_tools.h"
#include "server/routes/client_conversation.h"

namespace hearth {
namespace {

std::string part_text(const JsonFields& part) {
  const std::string type = part.required_text("type");
  if (type == "text" || type == "input_text" || type == "output_text") {
    return part.required_text("text");
  }
  if (type == "refusal") return part.required_text("refusal");
  refuse_part(part, type);
}

/// A text, or parts of text on lines of their own.
std::string content_text(const JsonFields& message, bool may_be_absent) {
  const Json* const content = message.find("content");
  if (!content) {
    if (may_be_absent) return "";
    message.fail("content", "is missing; it must be a string or an array of text parts");
  }
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) {
    message.fail("content", fmt::format("must be a string or an array of text parts, not {}",
                                        kind_of(*content)));
  }
  std::string text;
  for (const JsonFields& part : message.objects("content", kLimits.parts_of_content)) {
    if (!text.empty()) text += '\n';
    text += part_text(part);
  }
  return text;
}

/// An object already in some clients; an answer that max_tokens cut short has left what is none.
Json arguments_of(const JsonFields& function) {
  const Json* const given = function.find("arguments");
  if (given && given->is_object()) return *given;
  return call_arguments(function.text("arguments").value_or(""));
}

Json tool_calls(const JsonFields& message) {
  Json calls = Json::array();
  for (const JsonFields& call : message.objects("tool_calls", kLimits.calls_of_message)) {
    const auto function = call.object("function");
    if (!function) call.fail("function", "is missing; it must be an object");
    Json known = {
        {"type", "function"},
        {"function",
         {{"name", function->required_text("name")}, {"arguments", arguments_of(*function)}}}};
    if (const auto id = call.text("id")) known["id"] = *id;
    calls.push_back(std::move(known));
  }
  return calls;
}

Json assistant_message(const JsonFields& message) {
  Json known = {{"role", "assistant"}, {"content", content_text(message, true)}};
  auto reasoning = message.text("reasoning_content");
  if (!reasoning) reasoning = message.text("reasoning");
  if (reasoning) known["reasoning_content"] = *reasoning;
  Json calls = tool_calls(message);
  if (!calls.empty()) known["tool_calls"] = std::move(calls);
  return known;
}

Json tool_message(const JsonFields& message) {
  Json known = {{"role", "tool"}, {"content", content_text(message, true)}};
  if (const auto id = message.text("tool_call_id")) known["tool_call_id"] = *id;
  if (const auto name = message.text("name")) known["name"] = *name;
  return known;
}

}  // namespace

Json chat_messages(const JsonFields& body) {
  const auto messages = body.objects("messages", kLimits.messages);
  if (messages.empty()) body.fail("messages", "is missing; it must be an array of messages");
  std::string instructions;
  bool has_instructions = false;
  Json others = Json::array();
  for (const JsonFields& message : messages) {
    const std::string role = message.required_text("role");
    if (role == "system" || role == "developer") {
      if (has_instructions) instructions += "\n\n";
      instructions += content_text(message, false);
      has_instructions = true;
    } else if (role == "user") {
      others.push_back({{"role", "user"}, {"content", content_text(message, false)}});
    } else if (role == "assistant") {
      others.push_back(assistant_message(message));
    } else if (role == "tool" || role == "function") {
      others.push_back(tool_message(message));
    } else {
      message.fail("role", fmt::format("must be system, developer, user, assistant or tool, not "
                                       "\"{}\"",
                                       role.substr(0, 64)));
    }
  }
  if (!has_instructions) return others;
  others.insert(others.begin(), Json{{"role", "system"}, {"content", instructions}});
  return others;
}

}  // namespace hearth
