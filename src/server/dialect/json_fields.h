// Access to the JSON that clients send: typed, with errors that name the field by its path, as in
// "messages[2].content must be a string, not a number." Fields that nobody asks for are ignored.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/api_error.h"

namespace hearth {

using Json = nlohmann::ordered_json;

/// The JSON of a body. Throws ApiError for what is none, has ill-formed UTF-8, or is deeper or has
/// more keys than limits.h allows.
Json parse_json(std::string_view body);

/// Compact JSON; bytes that are no UTF-8 become U+FFFD.
std::string to_text(const Json& json);

/// "a string", "an object": what a value is, for errors.
const char* kind_of(const Json& value);

/// One object of a request. null counts as absent. The object must outlive it. All but the
/// constructor throw ApiError of kind kInvalid where a value is not what was asked for.
class JsonFields {
 public:
  /// `path` is where the object is; empty for the body itself. Throws ApiError for another kind.
  explicit JsonFields(const Json& object, std::string path = {});

  bool has(const char* key) const { return find(key) != nullptr; }
  /// The value, of any kind; null pointer when absent.
  const Json* find(const char* key) const;

  std::optional<bool> boolean(const char* key) const;
  /// Takes 5.0 for 5, as some clients write it. The bounds are within 2^53.
  std::optional<int64_t> integer(const char* key, int64_t min, int64_t max) const;
  std::optional<double> number(const char* key, double min, double max) const;
  std::optional<std::string> text(const char* key) const;
  /// A text that must be there.
  std::string required_text(const char* key) const;
  std::optional<JsonFields> object(const char* key) const;
  /// An array of at most `max`; null pointer when absent.
  const Json* array(const char* key, size_t max) const;
  /// An array of at most `max` objects; empty when absent.
  std::vector<JsonFields> objects(const char* key, size_t max) const;

  const Json& json() const { return *object_; }
  /// Of this object: "tools[1]"; may be empty.
  const std::string& path() const { return path_; }
  /// Of a field: "tools[1].type".
  std::string path(std::string_view key) const;

  /// "PATH PROBLEM.", e.g. "tools[1].type must be \"function\"."
  [[noreturn]] void fail(std::string_view key, const std::string& problem) const;

 private:
  [[noreturn]] void wrong_kind(const char* key, const char* expected) const;

  const Json* object_;
  std::string path_;
};

}  // namespace hearth
