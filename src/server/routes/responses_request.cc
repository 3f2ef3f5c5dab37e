#include "server/routes/responses_request.h"

#include <fmt/format.h>

#include <algorithm>
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

bool is_text_part(const std::string& type) {
  return type == "input_text" || type == "output_text" || type == "text" ||
         type == "reasoning_text" || type == "summary_text";
}

/// A text, or the texts of an array of parts; empty when absent.
std::string content_text(const JsonFields& item, const char* key, bool from_tool) {
  const Json* const content = item.find(key);
  if (!content) return "";
  if (!content->is_array()) return *item.text(key);
  std::string text;
  for (const JsonFields& part : item.objects(key, kLimits.parts_of_content)) {
    const std::string type = part.required_text("type");
    if (is_text_part(type)) {
      text += part.required_text("text");
    } else if (type == "refusal") {
      text += part.required_text("refusal");
    } else if (from_tool) {
      text += unreadable_part(type);
    } else {
      refuse_part(part, type);
    }
  }
  return text;
}

void add_message(const JsonFields& item, ClientConversation& conversation) {
  const std::string role = item.required_text("role");
  if (!item.has("content")) item.fail("content", "is missing; it must be a string or an array");
  const std::string text = content_text(item, "content", false);
  if (role == "system" || role == "developer") {
    conversation.instruct(text);
  } else if (role == "user") {
    conversation.say(text);
  } else if (role == "assistant") {
    conversation.answer(text);
  } else {
    item.fail("role", fmt::format("must be user, assistant, system or developer, not \"{}\"",
                                  role.substr(0, 64)));
  }
}

void add_reasoning(const JsonFields& item, ClientConversation& conversation) {
  std::string text = content_text(item, "content", false);
  if (text.empty()) {
    text = carried_reasoning(item.text("encrypted_content").value_or("")).value_or("");
  }
  if (!text.empty()) conversation.think(text);
}

/// Items of kinds that nobody here makes or reads, as of web searches, are left out.
void add_item(const JsonFields& item, ClientConversation& conversation) {
  const std::string type = item.text("type").value_or("message");
  if (type == "message") {
    add_message(item, conversation);
  } else if (type == "reasoning") {
    add_reasoning(item, conversation);
  } else if (type == "function_call") {
    conversation.call(item.required_text("call_id"), item.required_text("name"),
                      call_arguments(item.text("arguments").value_or("")));
  } else if (type == "custom_tool_call") {
    conversation.call(item.required_text("call_id"), item.required_text("name"),
                      {{"input", item.text("input").value_or("")}});
  } else if (type == "function_call_output" || type == "custom_tool_call_output") {
    conversation.result(item.required_text("call_id"), content_text(item, "output", true));
  } else if (type == "item_reference") {
    item.fail("type", "is \"item_reference\", but this server keeps no items: send them whole");
  }
}

ClientConversation conversation_of(const JsonFields& body) {
  ClientConversation conversation;
  if (const auto instructions = body.text("instructions")) conversation.instruct(*instructions);
  const Json* const input = body.find("input");
  if (!input) body.fail("input", "is missing; it must be a string or an array");
  if (input->is_string()) {
    conversation.say(input->get<std::string>());
  } else if (input->is_array()) {
    for (const JsonFields& item : body.objects("input", kLimits.messages)) {
      add_item(item, conversation);
    }
  } else {
    body.fail("input", fmt::format("must be a string or an array, not {}", kind_of(*input)));
  }
  if (conversation.empty()) body.fail("input", "has no message");
  return conversation;
}

/// Tools that run on a vendor's servers, and kinds yet unknown, are skipped.
void add_tools(const JsonFields& body, ChatInput& chat) {
  for (const JsonFields& tool : body.objects("tools", kLimits.tools)) {
    if (tool.required_text("type") == "function") add_function(tool, "parameters", chat);
  }
}

ToolChoice::Mode choice_mode(const JsonFields& owner, const char* key, const std::string& word) {
  if (word == "auto") return ToolChoice::Mode::kAuto;
  if (word == "none") return ToolChoice::Mode::kNone;
  if (word == "required") return ToolChoice::Mode::kRequired;
  owner.fail(key, fmt::format("must be auto, none, required or an object, not \"{}\"",
                              word.substr(0, 64)));
}

/// {"type": "allowed_tools", "mode", "tools"}: the others cannot be called.
void keep_allowed(const JsonFields& choice, ChatInput& chat) {
  Json kept = Json::array();
  for (const JsonFields& allowed : choice.objects("tools", kLimits.tools)) {
    const std::string name = allowed.text("name").value_or("");
    for (const Json& tool : chat.tools) {
      if (tool["function"]["name"] == name) kept.push_back(tool);
    }
  }
  chat.tools = std::move(kept);
}

ToolChoice tool_choice_of(const JsonFields& body, ChatInput& chat) {
  ToolChoice choice;
  choice.parallel = body.boolean("parallel_tool_calls").value_or(true);
  const Json* const given = body.find("tool_choice");
  if (!given) return choice;
  if (given->is_string()) {
    choice.mode = choice_mode(body, "tool_choice", given->get<std::string>());
  } else {
    const JsonFields fields(*given, "tool_choice");
    const std::string type = fields.required_text("type");
    if (type == "allowed_tools") {
      keep_allowed(fields, chat);
      choice.mode = choice_mode(fields, "mode", fields.text("mode").value_or("auto"));
    } else if (type == "function") {
      choice.mode = ToolChoice::Mode::kNamed;
      choice.name = fields.required_text("name");
    } else {
      fields.fail("type", fmt::format("is \"{}\", but only functions can be called here",
                                      type.substr(0, 64)));
    }
  }
  check_tool_choice(choice, chat, "tool_choice");
  return choice;
}

AnswerFormat format_of(const JsonFields& body) {
  const auto text = body.object("text");
  const auto format = text ? text->object("format") : std::optional<JsonFields>();
  if (!format) return {};
  const std::string type = format->required_text("type");
  if (type == "text") return {};
  if (type == "json_object") return {.kind = AnswerFormat::Kind::kJsonObject, .source = {}};
  if (type == "json_schema") return schema_format(*format);
  format->fail("type", fmt::format("must be text, json_object or json_schema, not \"{}\"",
                                   type.substr(0, 64)));
}

/// What would need a memory that this server does not have.
void refuse_stored(const JsonFields& body) {
  for (const char* key : {"previous_response_id", "conversation", "prompt"}) {
    if (!body.has(key)) continue;
    body.fail(key,
              "cannot be used: this server keeps no responses. Send the whole conversation "
              "as input; what it has in common with an earlier one is not computed again");
  }
  if (body.boolean("background").value_or(false)) {
    body.fail("background", "cannot be true: this server keeps no responses");
  }
}

/// Whether a client wishes for this in the output. Of all such wishes two can be fulfilled.
bool includes(const JsonFields& body, const char* what) {
  const Json* const include = body.array("include", 64);
  return include && std::find(include->begin(), include->end(), what) != include->end();
}

std::optional<int64_t> top_logprobs_of(const JsonFields& body) {
  const auto top = body.integer("top_logprobs", 0, kLimits.top_logprobs);
  const bool wanted = top > 0 || includes(body, "message.output_text.logprobs");
  return wanted ? top.value_or(0) : std::optional<int64_t>();
}

Json given_or(const JsonFields& body, const char* key, Json otherwise) {
  const Json* const given = body.find(key);
  return given ? *given : std::move(otherwise);
}

Json echo_of(const JsonFields& body, const AnswerRequest& answer) {
  const Json text_format = {{"format", {{"type", "text"}}}};
  const Json reasoning = {{"effort", nullptr}, {"summary", nullptr}};
  return {{"background", false},
          {"instructions", given_or(body, "instructions", nullptr)},
          {"max_output_tokens", answer.max_tokens ? Json(*answer.max_tokens) : Json()},
          {"max_tool_calls", nullptr},
          {"parallel_tool_calls", answer.tool_choice.parallel},
          {"previous_response_id", nullptr},
          {"prompt_cache_key", given_or(body, "prompt_cache_key", nullptr)},
          {"reasoning", given_or(body, "reasoning", reasoning)},
          {"safety_identifier", given_or(body, "safety_identifier", nullptr)},
          {"service_tier", "default"},
          {"store", false},
          {"temperature", answer.sampling.temperature},
          {"text", given_or(body, "text", text_format)},
          {"tool_choice", given_or(body, "tool_choice", "auto")},
          {"tools", given_or(body, "tools", Json::array())},
          {"top_logprobs", answer.top_logprobs.value_or(0)},
          {"top_p", answer.sampling.top_p},
          {"presence_penalty", answer.sampling.presence_penalty},
          {"frequency_penalty", answer.sampling.frequency_penalty},
          {"truncation", "disabled"},
          {"user", given_or(body, "user", nullptr)},
          {"metadata", given_or(body, "metadata", Json::object())}};
}

}  // namespace

ResponsesRequest responses_request(const Json& json, const SamplingParameters& sampling) {
  const JsonFields body(json);
  refuse_stored(body);
  ResponsesRequest request;
  ChatInput chat;
  chat.messages = conversation_of(body).messages();
  add_tools(body, chat);
  AnswerRequest& answer = request.answer;
  answer.tool_choice = tool_choice_of(body, chat);
  answer.input = std::move(chat);
  answer.sampling = sampling_fields(body, sampling);
  answer.max_tokens = body.integer("max_output_tokens", 1, kMaxTokens);
  answer.format = format_of(body);
  answer.top_logprobs = top_logprobs_of(body);
  if (const auto reasoning = body.object("reasoning")) {
    if (const auto effort = reasoning->text("effort")) {
      apply_reasoning_effort(*effort, reasoning->path("effort"), answer);
    }
  }
  body.object("metadata");
  request.stream = body.boolean("stream").value_or(false);
  request.carries_reasoning = includes(body, "reasoning.encrypted_content");
  request.echo = echo_of(body, answer);
  return request;
}

}  // namespace hearth
