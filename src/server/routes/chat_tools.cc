#include "server/routes/chat_tools.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/dialect/limits.h"

namespace hearth {

void add_function(const JsonFields& tool, const char* schema, ChatInput& chat) {
  const std::string name = tool.required_text("name");
  if (name.empty() || name.size() > kLimits.name_bytes) {
    tool.fail("name", fmt::format("must have from 1 to {} bytes", kLimits.name_bytes));
  }
  if (has_function(chat, name)) tool.fail("name", "is the name of an earlier tool, too");
  Json function = {{"name", name}};
  if (const auto description = tool.text("description")) function["description"] = *description;
  const auto parameters = tool.object(schema);
  function["parameters"] =
      parameters ? parameters->json() : Json{{"type", "object"}, {"properties", Json::object()}};
  chat.tools.push_back({{"type", "function"}, {"function", std::move(function)}});
}

bool has_function(const ChatInput& chat, const std::string& name) {
  return std::any_of(chat.tools.begin(), chat.tools.end(),
                     [&](const Json& tool) { return tool["function"]["name"] == name; });
}

void check_tool_choice(const ToolChoice& choice, const ChatInput& chat, const std::string& path) {
  const bool wants_calls =
      choice.mode == ToolChoice::Mode::kRequired || choice.mode == ToolChoice::Mode::kNamed;
  if (!wants_calls) return;
  std::string problem;
  if (chat.tools.empty()) {
    problem = "asks for a call, but tools has no function that can be called here";
  } else if (choice.mode == ToolChoice::Mode::kNamed && !has_function(chat, choice.name)) {
    problem = fmt::format("names \"{}\", which is not among tools", choice.name.substr(0, 64));
  }
  if (problem.empty()) return;
  throw ApiError(ApiError::Kind::kInvalid, fmt::format("{} {}.", path, problem), path);
}

AnswerFormat schema_format(const JsonFields& format) {
  const auto schema = format.object("schema");
  if (!schema) format.fail("schema", "is missing; it must be an object");
  std::string source = to_text(schema->json());
  if (source.size() > kLimits.schema_bytes) {
    format.fail("schema", fmt::format("has {} bytes; at most {} are allowed", source.size(),
                                      kLimits.schema_bytes));
  }
  return {.kind = AnswerFormat::Kind::kJsonSchema, .source = std::move(source)};
}

std::string unreadable_part(const std::string& type) {
  return fmt::format("[{}: left out, because this model reads text only]", type.substr(0, 64));
}

void refuse_part(const JsonFields& part, const std::string& type) {
  part.fail("type",
            fmt::format("is \"{}\", which this model cannot read: send text", type.substr(0, 64)));
}

}  // namespace hearth
