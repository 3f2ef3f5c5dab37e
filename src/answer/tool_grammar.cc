#include "answer/tool_grammar.h"

#include <fmt/format.h>

#include <string>

#include "answer/api_error.h"
#include "text/tool_schemas.h"

namespace hearth {
namespace {

using nlohmann::ordered_json;

constexpr const char* kAnyObject = R"({"type": "object"})";

struct Tool {
  std::string name;
  ordered_json parameters;
};

ApiError invalid(const std::string& message, const std::string& parameter) {
  return {ApiError::Kind::kInvalid, message, parameter};
}

std::vector<Tool> tools_of(const ChatInput& input) {
  std::vector<Tool> tools;
  for (const ordered_json& tool : input.tools) {
    const ordered_json& function = tool.contains("function") ? tool["function"] : tool;
    const bool schema = function.contains("parameters") && function["parameters"].is_object();
    tools.push_back({function.value("name", ""),
                     schema ? function["parameters"] : ordered_json::parse(kAnyObject)});
  }
  return tools;
}

/// Writes the rules of calls, and the schemas that they refer to.
class CallRules {
 public:
  CallRules(std::vector<Grammar>& grammars, const ordered_json& tools)
      : grammars_(grammars), schemas_(tools) {}

  /// The name of a rule for a call of the tool.
  std::string add(const Tool& tool, CallForm form) {
    const std::string rule = fmt::format("call_{}", count_++);
    text_ += rule + ": " + (form == CallForm::kXml ? xml(tool) : json(tool)) + "\n";
    return rule;
  }

  std::string text() const { return text_ + "free_text[lazy]: /(.|\\n)*\\n<\\/parameter>\\n/\n"; }

 private:
  std::string json(const Tool& tool) {
    const std::string start =
        "<tool_call>\n{\"name\": " + json_string(tool.name) + ", \"arguments\": ";
    return fmt::format("{} @{} {}", json_string(start), schema(tool.parameters.dump()),
                       json_string("}\n</tool_call>"));
  }

  /// Parameters stand in the order of the schema; templates write them in the order of the call.
  std::string xml(const Tool& tool) {
    std::string body = json_string("<tool_call>\n<function=" + tool.name + ">\n");
    const ordered_json properties = tool.parameters.value("properties", ordered_json::object());
    const ordered_json required = tool.parameters.value("required", ordered_json::array());
    for (const auto& [name, property] : properties.items()) {
      const bool must = std::find(required.begin(), required.end(), name) != required.end();
      const std::string open = json_string("<parameter=" + name + ">\n");
      body += fmt::format(" ({} {}){}", open, value(tool, name, property), must ? "" : "?");
    }
    return body + " " + json_string("</function>\n</tool_call>");
  }

  std::string value(const Tool& tool, const std::string& name, const ordered_json& property) {
    const std::string close = json_string("\n</parameter>\n");
    const ValueTypes types = schemas_.types(tool.name, name);
    const bool listed = property.is_object() && property.contains("enum");
    if (types.only_string() && listed && property["enum"].is_array()) {
      std::string values;
      for (const ordered_json& each : property["enum"]) {
        if (!each.is_string()) continue;
        values += (values.empty() ? "" : " | ") + json_string(each.get<std::string>());
      }
      if (!values.empty()) return fmt::format("({}) {}", values, close);
    }
    if (types.string) return "free_text";  // strings stand without quotes
    ordered_json whole = property;
    for (const char* definitions : {"$defs", "definitions"}) {
      if (whole.is_object() && tool.parameters.contains(definitions)) {
        whole[definitions] = tool.parameters[definitions];
      }
    }
    return fmt::format("@{} {}", schema(whole.dump()), close);
  }

  std::string schema(const std::string& source) {
    const std::string name = fmt::format("schema_{}", grammars_.size());
    grammars_.push_back({Grammar::Kind::kJsonSchema, source, name});
    return name;
  }

  std::vector<Grammar>& grammars_;
  ToolSchemas schemas_;
  std::string text_;
  int count_ = 0;
};

Grammar format_grammar(const AnswerFormat& format) {
  switch (format.kind) {
    case AnswerFormat::Kind::kJsonSchema: return {Grammar::Kind::kJsonSchema, format.source};
    case AnswerFormat::Kind::kRegex: return {Grammar::Kind::kRegex, format.source};
    case AnswerFormat::Kind::kLark: return {Grammar::Kind::kLark, format.source};
    default: return {Grammar::Kind::kJsonSchema, kAnyObject};
  }
}

/// Tools that may be called: all, or the one that is named.
std::vector<Tool> callable(const AnswerRequest& request) {
  const auto* chat = std::get_if<ChatInput>(&request.input);
  const ToolChoice& choice = request.tool_choice;
  if (!chat || choice.mode == ToolChoice::Mode::kNone) return {};
  std::vector<Tool> tools = tools_of(*chat);
  if (choice.mode == ToolChoice::Mode::kNamed) {
    std::erase_if(tools, [&](const Tool& tool) { return tool.name != choice.name; });
    if (tools.empty()) {
      throw invalid(fmt::format("tool_choice names the tool \"{}\", which is not among the tools. "
                                "Name one of them, or add it.",
                                choice.name),
                    "tool_choice");
    }
  }
  if (choice.mode == ToolChoice::Mode::kRequired && tools.empty()) {
    throw invalid(
        "tool_choice wants a tool call, but there are no tools. Add tools, or leave "
        "tool_choice out.",
        "tool_choice");
  }
  return tools;
}

}  // namespace

CallForm call_form(const ChatTemplate& chat_template) {
  try {
    const std::string prompt =
        chat_template.render(R"([{"role": "user", "content": "-"}])",
                             R"([{"type": "function", "function": {"name": "f", "description": "-",
             "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}])",
                             {});
    if (prompt.find("<function=") != std::string::npos) return CallForm::kXml;
    if (prompt.find("<tool_call>") != std::string::npos) return CallForm::kJson;
  } catch (const TemplateError&) {
    // A template that cannot render tools does not know any.
  }
  return CallForm::kNone;
}

std::vector<Grammar> answer_grammars(const AnswerRequest& request, CallForm form) {
  const std::vector<Tool> tools = callable(request);
  const ToolChoice& choice = request.tool_choice;
  const bool must =
      choice.mode == ToolChoice::Mode::kRequired || choice.mode == ToolChoice::Mode::kNamed;
  const bool formatted = request.format.kind != AnswerFormat::Kind::kText;
  if (must && form == CallForm::kNone) {
    throw invalid(
        "tool_choice wants a tool call, but the chat template of this model knows no "
        "tools. Leave tool_choice out.",
        "tool_choice");
  }
  if (!must && !formatted) return {};
  const bool calls = !tools.empty() && form != CallForm::kNone;
  if (!calls) return {format_grammar(request.format)};

  std::vector<Grammar> grammars(1);
  CallRules rules(grammars, std::get<ChatInput>(request.input).tools);
  std::string any;
  for (const Tool& tool : tools) any += (any.empty() ? "" : " | ") + rules.add(tool, form);
  std::string start = choice.parallel ? "call (\"\\n\" call)*" : "call";
  if (!must) {
    Grammar answer = format_grammar(request.format);
    answer.name = "answer";
    grammars.push_back(std::move(answer));
    start = "@answer | " + start;
  }
  const std::string source = fmt::format("start: {}\ncall: {}\n{}", start, any, rules.text());
  grammars[0] = {Grammar::Kind::kLark, source};
  return grammars;
}

}  // namespace hearth
