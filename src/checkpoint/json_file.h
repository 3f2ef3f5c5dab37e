// Small JSON files of a model folder (config.json and its like), read with bounds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace hearth {

/// Reads a JSON file whose top level is an object. Throws LoadError when the file is absent, longer
/// than 16 MB, not valid JSON, nested deeper than 64, or has a key twice in one object.
nlohmann::json read_json_file(const std::filesystem::path& path);

/// The same, but nothing when there is no such file.
std::optional<nlohmann::json> read_optional_json_file(const std::filesystem::path& path);

/// Checked access to the fields of an object. A null field counts as absent. Every function throws
/// LoadError naming file and field when the field is absent, of another type, or out of range.
/// Holds references: object and path must outlive it.
class JsonFileFields {
 public:
  /// `prefix` is put before field names in messages, e.g. "rope_scaling.".
  JsonFileFields(const nlohmann::json& object, const std::filesystem::path& file,
                 std::string prefix = "")
      : object_(object), file_(file), prefix_(std::move(prefix)) {}

  bool has(const char* name) const;

  int64_t integer(const char* name, int64_t min, int64_t max) const;
  double real(const char* name, double min, double max) const;
  bool boolean(const char* name) const;
  std::string text(const char* name) const;
  /// One integer or a list of them; empty when absent.
  std::vector<int64_t> integers(const char* name, int64_t min, int64_t max) const;
  /// The fields of an object.
  JsonFileFields object(const char* name) const;
  /// The value itself.
  const nlohmann::json& value(const char* name, const std::string& expected) const;

  [[noreturn]] void fail(const std::string& name, std::string expected, std::string found,
                         std::string advice = "") const;

  const nlohmann::json& tree() const { return object_; }

 private:
  const nlohmann::json& object_;
  const std::filesystem::path& file_;
  std::string prefix_;
};

/// A value as text for messages: short, printable.
std::string describe_json(const nlohmann::json& value);

}  // namespace hearth
