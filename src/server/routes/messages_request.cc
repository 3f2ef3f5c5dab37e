#include "server/routes/messages_request.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "server/dialect/limits.h"
#include "server/dialect/sampling_fields.h"
#include "server/routes/carried_reasoning.h"
#include "server/routes/chat_tools.h"
#include "server/routes/client_conversation.h"

namespace hearth {
namespace {

/// Some clients ask for more than any context has; what does not fit is cut off later.
constexpr int64_t kMaxTokens = 1'000'000'000;

/// Without the lines in front that only the vendor's own server reads. Claude Code begins its
/// system prompt with one that has a checksum of the request: all behind it, the whole prompt,
/// would never be found in the cache.
std::string without_billing_header(std::string text) {
  while (text.starts_with("x-anthropic-"))
    text.erase(0, std::min(text.size(), text.find('\n')) + 1);
  return text;
}

/// The text of a block that has one; nothing for other kinds.
std::optional<std::string> block_text(const JsonFields& block, const std::string& type) {
  if (type == "text") return block.required_text("text");
  if (type != "document") return {};
  const auto source = block.object("source");
  if (!source || source->text("type") != "text") return {};
  return source->required_text("data");
}

/// A text, or the texts of an array of blocks, one after another.
std::string joined_text(const JsonFields& owner, const char* key, bool from_tool) {
  const Json* const content = owner.find(key);
  if (!content) return "";
  if (!content->is_array()) return *owner.text(key);
  std::string all;
  for (const JsonFields& block : owner.objects(key, kLimits.parts_of_content)) {
    const std::string type = block.required_text("type");
    auto text = block_text(block, type);
    if (!text && !from_tool) refuse_part(block, type);
    const std::string part =
        from_tool ? text.value_or(unreadable_part(type)) : without_billing_header(*text);
    if (!all.empty() && !part.empty()) all += from_tool ? "\n" : "\n\n";
    all += part;
  }
  return all;
}

void add_system(const JsonFields& owner, const char* key, ClientConversation& conversation) {
  const std::string text = without_billing_header(joined_text(owner, key, false));
  if (!text.empty()) conversation.instruct(text);
}

/// A user's turn: results of tools, then what the user says. Reminders that a client puts behind
/// results are no question of the user.
void add_user_blocks(const JsonFields& message, ClientConversation& conversation) {
  std::string said;
  bool has_result = false;
  for (const JsonFields& block : message.objects("content", kLimits.parts_of_content)) {
    const std::string type = block.required_text("type");
    if (type == "tool_result") {
      conversation.result(block.required_text("tool_use_id"), joined_text(block, "content", true));
      has_result = true;
      continue;
    }
    const auto text = block_text(block, type);
    if (!text) refuse_part(block, type);
    if (has_result && said.empty() && text->starts_with("<system-reminder>")) {
      conversation.remark(*text);
      continue;
    }
    if (!said.empty()) said += "\n";
    said += *text;
  }
  if (!said.empty() || !has_result) conversation.say(said);
}

void add_thinking(const JsonFields& block, ClientConversation& conversation) {
  std::string text = block.text("thinking").value_or("");
  if (text.empty()) text = carried_reasoning(block.text("signature").value_or("")).value_or("");
  if (!text.empty()) conversation.think(text);
}

/// Blocks of a kind that hearth does not make, as of searches on a vendor's servers, are left out.
void add_own_blocks(const JsonFields& message, ClientConversation& conversation) {
  for (const JsonFields& block : message.objects("content", kLimits.parts_of_content)) {
    const std::string type = block.required_text("type");
    if (type == "text") {
      conversation.answer(block.required_text("text"));
    } else if (type == "thinking") {
      add_thinking(block, conversation);
    } else if (type == "tool_use") {
      const auto input = block.object("input");
      conversation.call(block.required_text("id"), block.required_text("name"),
                        input ? input->json() : Json::object());
    }
  }
}

void add_message(const JsonFields& message, ClientConversation& conversation) {
  const std::string role = message.required_text("role");
  const Json* const content = message.find("content");
  if (!content) message.fail("content", "is missing; it must be a string or an array");
  if (role == "system") return add_system(message, "content", conversation);
  if (role != "user" && role != "assistant") {
    message.fail("role",
                 fmt::format("must be user, assistant or system, not \"{}\"", role.substr(0, 64)));
  }
  const bool own = role == "assistant";
  if (content->is_array()) {
    own ? add_own_blocks(message, conversation) : add_user_blocks(message, conversation);
  } else {
    const std::string text = *message.text("content");
    own ? conversation.answer(text) : conversation.say(text);
  }
}

ClientConversation conversation_of(const JsonFields& body) {
  ClientConversation conversation;
  add_system(body, "system", conversation);
  if (!body.has("messages")) body.fail("messages", "is missing; it must be an array");
  for (const JsonFields& message : body.objects("messages", kLimits.messages)) {
    add_message(message, conversation);
  }
  if (conversation.empty()) body.fail("messages", "has no message");
  return conversation;
}

/// Tools with a type are the vendor's: what it runs itself, or what its models know without a
/// schema. They are skipped.
void add_tools(const JsonFields& body, ChatInput& chat) {
  for (const JsonFields& tool : body.objects("tools", kLimits.tools)) {
    if (tool.text("type").value_or("custom") != "custom") continue;
    if (!tool.has("input_schema")) tool.fail("input_schema", "is missing; it must be an object");
    add_function(tool, "input_schema", chat);
  }
}

ToolChoice tool_choice_of(const JsonFields& body, const ChatInput& chat) {
  ToolChoice choice;
  const auto given = body.object("tool_choice");
  if (!given) return choice;
  choice.parallel = !given->boolean("disable_parallel_tool_use").value_or(false);
  const std::string type = given->required_text("type");
  if (type == "auto") {
    choice.mode = ToolChoice::Mode::kAuto;
  } else if (type == "none") {
    choice.mode = ToolChoice::Mode::kNone;
  } else if (type == "any") {
    choice.mode = ToolChoice::Mode::kRequired;
  } else if (type == "tool") {
    choice.mode = ToolChoice::Mode::kNamed;
    choice.name = given->required_text("name");
  } else {
    given->fail("type",
                fmt::format("must be auto, any, tool or none, not \"{}\"", type.substr(0, 64)));
  }
  check_tool_choice(choice, chat, "tool_choice");
  return choice;
}

void apply_thinking(const JsonFields& body, MessagesRequest& request) {
  const auto thinking = body.object("thinking");
  if (!thinking) {
    // Whoever does not know of reasoning expects an answer within max_tokens.
    if (request.answer.max_tokens) request.answer.thinking_budget = *request.answer.max_tokens / 2;
    return;
  }
  const std::string type = thinking->required_text("type");
  if (type == "disabled") return enable_thinking(false, request.answer);
  if (type != "enabled" && type != "adaptive") {
    thinking->fail("type", fmt::format("must be enabled, adaptive or disabled, not \"{}\"",
                                       type.substr(0, 64)));
  }
  enable_thinking(true, request.answer);
  const auto budget = thinking->integer("budget_tokens", 0, kMaxTokens);
  if (budget) request.answer.thinking_budget = budget;
  const bool omitted = thinking->text("display") == "omitted";
  request.thinking = omitted ? ThinkingBlocks::kOmitted : ThinkingBlocks::kShown;
}

/// {"effort": …, "format": {"type": "json_schema", "schema": …}}
void apply_output_config(const JsonFields& body, MessagesRequest& request) {
  const auto config = body.object("output_config");
  const auto format =
      config && config->has("format") ? config->object("format") : body.object("output_format");
  if (format) {
    if (format->required_text("type") != "json_schema") {
      format->fail("type", "must be \"json_schema\"");
    }
    request.answer.format = schema_format(*format);
  }
  const bool thinks = request.thinking != ThinkingBlocks::kHidden;
  const auto effort = config ? config->text("effort") : std::optional<std::string>();
  if (effort && thinks && !request.answer.thinking_budget) {
    apply_reasoning_effort(*effort, config->path("effort"), request.answer);
  }
}

std::vector<std::string> stop_sequences(const JsonFields& body) {
  std::vector<std::string> stops;
  const Json* const given = body.array("stop_sequences", kLimits.stop_strings);
  if (!given) return stops;
  for (const Json& each : *given) {
    if (!each.is_string() || each.get_ref<const std::string&>().empty()) {
      body.fail("stop_sequences", "must be an array of strings that are not empty");
    }
    stops.push_back(each.get<std::string>());
  }
  return stops;
}

}  // namespace

MessagesRequest messages_request(const Json& json, const SamplingParameters& sampling) {
  const JsonFields body(json);
  MessagesRequest request;
  AnswerRequest& answer = request.answer;
  const ClientConversation conversation = conversation_of(body);
  ChatInput chat;
  chat.messages = conversation.messages();
  chat.continues_last = conversation.ends_with_answer();
  add_tools(body, chat);
  answer.tool_choice = tool_choice_of(body, chat);
  answer.input = std::move(chat);
  answer.sampling = sampling_fields(body, sampling);
  if (body.has("stop_sequences")) answer.sampling.stop = stop_sequences(body);
  answer.max_tokens = body.integer("max_tokens", 1, kMaxTokens);
  request.stream = body.boolean("stream").value_or(false);
  apply_thinking(body, request);
  apply_output_config(body, request);
  return request;
}

}  // namespace hearth
