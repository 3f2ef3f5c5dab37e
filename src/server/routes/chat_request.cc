#include "server/routes/chat_request.h"

#include <fmt/format.h>

#include "server/dialect/limits.h"
#include "server/dialect/sampling_fields.h"
#include "server/routes/chat_messages.h"
#include "server/routes/chat_tools.h"

namespace hearth {
namespace {

void add_tool(const JsonFields& tool, ChatInput& chat) {
  const std::string type = tool.text("type").value_or("function");
  const auto function = tool.object("function");
  if (type != "function" || !function) {
    tool.fail("type", fmt::format("must be \"function\", with a function beside it, not \"{}\"",
                                  type.substr(0, 64)));
  }
  add_function(*function, "parameters", chat);
}

/// {"type": "function", "function": {"name": NAME}}; some clients leave out the inner object.
std::string named_tool(const JsonFields& choice) {
  const std::string type = choice.text("type").value_or("function");
  if (type != "function") {
    choice.fail("type", fmt::format("must be \"function\", not \"{}\"", type.substr(0, 64)));
  }
  const auto function = choice.object("function");
  return function ? function->required_text("name") : choice.required_text("name");
}

ToolChoice tool_choice(const JsonFields& body) {
  using Mode = ToolChoice::Mode;
  ToolChoice choice;
  choice.parallel = body.boolean("parallel_tool_calls").value_or(true);
  const Json* const given = body.find("tool_choice");
  if (!given) return choice;
  if (given->is_object()) {
    choice.mode = Mode::kNamed;
    choice.name = named_tool(JsonFields(*given, "tool_choice"));
    return choice;
  }
  const std::string word = *body.text("tool_choice");
  if (word == "none") {
    choice.mode = Mode::kNone;
  } else if (word == "required") {
    choice.mode = Mode::kRequired;
  } else if (word != "auto") {
    body.fail("tool_choice", fmt::format("must be none, auto, required or a function, not \"{}\"",
                                         word.substr(0, 64)));
  }
  return choice;
}

void apply_template_arguments(const JsonFields& body, AnswerRequest& request) {
  const auto arguments = body.object("chat_template_kwargs");
  if (!arguments) return;
  const size_t bytes = to_text(arguments->json()).size();
  if (bytes > kLimits.template_bytes) {
    body.fail("chat_template_kwargs", fmt::format("has {} bytes of JSON; at most {} are allowed",
                                                  bytes, kLimits.template_bytes));
  }
  for (const auto& [key, value] : arguments->json().items()) {
    if (key == "messages" || key == "tools" || key == "add_generation_prompt") {
      arguments->fail(key, "is not for the template's arguments");
    }
    std::get<ChatInput>(request.input).template_arguments[key] = value;
  }
  if (const Json* const enable = arguments->find("enable_thinking");
      enable && enable->is_boolean()) {
    enable_thinking(enable->get<bool>(), request);
  }
}

/// The whole of it only where the client says so: an answer to an assistant's message goes on with
/// it, as llama.cpp has it.
bool continues_last(const JsonFields& body, const Json& messages) {
  const Json& last = messages.back();
  const bool can = last["role"] == "assistant" && !last.contains("tool_calls");
  const auto wish = body.boolean("continue_final_message");
  if (wish.value_or(false) && !can) {
    body.fail("continue_final_message", "wants a last message of the assistant without tool calls");
  }
  if (wish.value_or(false) && body.boolean("add_generation_prompt").value_or(false)) {
    body.fail("continue_final_message", "and add_generation_prompt exclude each other");
  }
  return can && wish.value_or(!body.boolean("add_generation_prompt").value_or(false));
}

}  // namespace

ChatCall chat_call(const JsonFields& body, const SamplingParameters& defaults) {
  for (const char* old : {"functions", "function_call"}) {
    if (body.has(old)) body.fail(old, "is no longer known; use tools and tool_choice");
  }
  ChatCall call;
  call.sending = stream_fields(body);
  ChatInput chat;
  chat.messages = chat_messages(body);
  chat.continues_last = continues_last(body, chat.messages);
  for (const JsonFields& tool : body.objects("tools", kLimits.tools)) add_tool(tool, chat);

  AnswerRequest& request = call.request;
  request.tool_choice = tool_choice(body);
  check_tool_choice(request.tool_choice, chat, "tool_choice");
  request.input = std::move(chat);
  request.sampling = sampling_fields(body, defaults);
  request.format = format_fields(body);
  request.ends_at_end_token = !body.boolean("ignore_eos").value_or(false);
  request.priority = body.integer("priority", -1000, 1000).value_or(0);
  apply_lengths(body, 1, request);
  apply_template_arguments(body, request);
  apply_thinking(body, request);

  const bool logprobs = body.boolean("logprobs").value_or(false);
  const auto top = body.integer("top_logprobs", 0, kLimits.top_logprobs);
  if (top && *top > 0 && !logprobs) {
    body.fail("top_logprobs", "is only allowed where logprobs is true");
  }
  if (logprobs) request.top_logprobs = top.value_or(0);
  return call;
}

}  // namespace hearth
