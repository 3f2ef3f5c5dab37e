// What is known of the tools of a request: their names, and the types of their parameters.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace hearth {

/// Types that a JSON schema lets a value have.
struct ValueTypes {
  bool string = false;
  bool number = false;
  bool boolean = false;
  bool null = false;
  bool object = false;
  bool array = false;

  bool any() const { return string || number || boolean || null || object || array; }
  /// A string and nothing else: its text is taken as it is.
  bool only_string() const { return string && !number && !boolean && !null && !object && !array; }
};

class ToolSchemas {
 public:
  /// `tools` as a template wants them: {"type": "function", "function": {"name", "parameters"}}
  /// each, or the functions alone. Whatever else is in there is left aside.
  explicit ToolSchemas(const nlohmann::ordered_json& tools);

  bool empty() const { return tools_.empty(); }
  bool knows(const std::string& tool) const { return tools_.contains(tool); }
  bool declares(const std::string& tool, const std::string& parameter) const;
  /// All types where nothing is declared.
  ValueTypes types(const std::string& tool, const std::string& parameter) const;

 private:
  std::map<std::string, std::map<std::string, ValueTypes>> tools_;
};

std::string json_string(const std::string& text);

/// The text of a value, as a model writes one without quotes around strings, as JSON: of the first
/// type that it fits, and otherwise a string.
std::string json_of_text(const ValueTypes& types, const std::string& text);

}  // namespace hearth
