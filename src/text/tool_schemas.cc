#include "text/tool_schemas.h"

#include <cctype>

#include "text/lenient_json.h"

namespace hearth {
namespace {

using nlohmann::ordered_json;

constexpr ValueTypes kAll{true, true, true, true, true, true};

void add_type(const ordered_json& type, ValueTypes& types) {
  if (type == "string") types.string = true;
  if (type == "number" || type == "integer") types.number = true;
  if (type == "boolean") types.boolean = true;
  if (type == "null") types.null = true;
  if (type == "object") types.object = true;
  if (type == "array") types.array = true;
}

void add_type_of(const ordered_json& value, ValueTypes& types) {
  types.string |= value.is_string();
  types.number |= value.is_number();
  types.boolean |= value.is_boolean();
  types.null |= value.is_null();
  types.object |= value.is_object();
  types.array |= value.is_array();
}

/// What `#/…` of a schema's root refers to; null: nothing.
const ordered_json* resolve(const ordered_json& root, const ordered_json& reference) {
  if (!reference.is_string()) return nullptr;
  const auto& text = reference.get_ref<const std::string&>();
  if (!text.starts_with("#/")) return nullptr;
  try {
    const nlohmann::ordered_json::json_pointer pointer(text.substr(1));
    return root.contains(pointer) ? &root.at(pointer) : nullptr;
  } catch (const nlohmann::json::exception&) {
    return nullptr;
  }
}

void add_types(const ordered_json& root, const ordered_json& schema, int depth, ValueTypes& types) {
  constexpr int kDeepest = 8;
  if (!schema.is_object() || depth > kDeepest) return;
  if (const auto type = schema.find("type"); type != schema.end()) {
    if (!type->is_array()) return add_type(*type, types);
    for (const ordered_json& each : *type) add_type(each, types);
    return;
  }
  if (const auto constant = schema.find("const"); constant != schema.end()) {
    return add_type_of(*constant, types);
  }
  if (const auto values = schema.find("enum"); values != schema.end() && values->is_array()) {
    for (const ordered_json& value : *values) add_type_of(value, types);
    return;
  }
  if (const auto reference = schema.find("$ref"); reference != schema.end()) {
    if (const ordered_json* target = resolve(root, *reference)) {
      add_types(root, *target, depth + 1, types);
    }
  }
  for (const char* several : {"anyOf", "oneOf", "allOf"}) {
    const auto schemas = schema.find(several);
    if (schemas == schema.end() || !schemas->is_array()) continue;
    for (const ordered_json& each : *schemas) add_types(root, each, depth + 1, types);
  }
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

std::string lowered(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// An object or array that fills the text; empty: there is none.
std::string json_container(const std::string& text) {
  std::string json;
  LenientJson reader;
  const size_t taken = reader.push(text, json);
  return reader.done() && taken == text.size() ? json : "";
}

}  // namespace

ToolSchemas::ToolSchemas(const ordered_json& tools) {
  if (!tools.is_array()) return;
  for (const ordered_json& tool : tools) {
    if (!tool.is_object()) continue;
    const auto inner = tool.find("function");
    const ordered_json& function = inner != tool.end() ? *inner : tool;
    if (!function.is_object() || !function.contains("name") || !function["name"].is_string()) {
      continue;
    }
    auto& parameters = tools_[function["name"].get<std::string>()];
    const auto schema = function.find("parameters");
    if (schema == function.end() || !schema->is_object()) continue;
    const auto properties = schema->find("properties");
    if (properties == schema->end() || !properties->is_object()) continue;
    for (const auto& [name, property] : properties->items()) {
      ValueTypes& types = parameters[name];
      add_types(*schema, property, 0, types);
      if (!types.any()) types = kAll;
    }
  }
}

bool ToolSchemas::declares(const std::string& tool, const std::string& parameter) const {
  const auto found = tools_.find(tool);
  return found != tools_.end() && found->second.contains(parameter);
}

ValueTypes ToolSchemas::types(const std::string& tool, const std::string& parameter) const {
  return declares(tool, parameter) ? tools_.at(tool).at(parameter) : kAll;
}

std::string json_string(const std::string& text) {
  return ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string json_of_text(const ValueTypes& types, const std::string& text) {
  if (types.only_string()) return json_string(text);
  const std::string value = trimmed(text);
  const std::string lower = lowered(value);
  if (types.null && (lower == "null" || lower == "none")) return "null";
  if (types.boolean && (lower == "true" || lower == "false")) return lower;
  const bool starts_number = !value.empty() && (value[0] == '-' || std::isdigit(value[0]));
  if (types.number && starts_number && nlohmann::json::accept(value)) return value;
  const char first = value.empty() ? '\0' : value[0];
  if ((types.object && first == '{') || (types.array && first == '[')) {
    // Where it may be a string as well, only what is JSON beyond doubt is something else.
    if (types.string) return nlohmann::json::accept(value) ? value : json_string(text);
    if (const std::string json = json_container(value); !json.empty()) return json;
  }
  return json_string(text);
}

}  // namespace hearth
