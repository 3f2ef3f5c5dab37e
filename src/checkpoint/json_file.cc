#include "checkpoint/json_file.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "os/mapped_file.h"

namespace hearth {
namespace {

using nlohmann::json;

constexpr size_t kMaxBytes = 16'000'000;
constexpr int kMaxDepth = 64;

[[noreturn]] void fail_file(const std::filesystem::path& path, std::string where,
                            std::string expected, std::string found, std::string advice) {
  throw LoadError({.file = path,
                   .where = std::move(where),
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = std::move(advice)});
}

/// Refuses what a JSON tree cannot show afterwards: a repeated key, and nesting without end.
class TreeGuard {
 public:
  explicit TreeGuard(const std::filesystem::path& path) : path_(path) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        if (depth >= kMaxDepth) {
          fail_file(path_, "", fmt::format("at most {} levels", kMaxDepth), "more",
                    "This is not the file of a model.");
        }
        if (event == json::parse_event_t::object_start) keys_.emplace_back();
        break;
      case json::parse_event_t::key:
        if (const auto& key = parsed.get_ref<const std::string&>();
            !keys_.back().insert(key).second) {
          fail_file(path_, printable(key), "the field once in its object", "it twice",
                    "Remove the one that is not meant.");
        }
        break;
      case json::parse_event_t::object_end: keys_.pop_back(); break;
      default: break;
    }
    return true;
  }

 private:
  const std::filesystem::path& path_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

json parse(const MappedFile& file, const std::filesystem::path& path) {
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  if (text.size() > kMaxBytes) {
    fail_file(path, "", fmt::format("at most {} bytes", kMaxBytes), fmt::format("{}", text.size()),
              "This is not the file of a model.");
  }
  constexpr const char* kAgain = "The file is damaged or incomplete: download or copy it again.";
  // The JSON library takes a zero byte for the end of its input and would accept what follows.
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    fail_file(path, fmt::format("byte {}", zero), "valid JSON in UTF-8", "a zero byte", kAgain);
  }
  json tree;
  TreeGuard guard(path);
  try {
    tree = json::parse(text.begin(), text.end(), std::ref(guard));
  } catch (const json::parse_error& error) {
    fail_file(path, fmt::format("byte {}", error.byte), "valid JSON in UTF-8",
              text.empty() ? "an empty file" : "a syntax error", kAgain);
  }
  if (!tree.is_object()) {
    fail_file(path, "", "a JSON object", describe_json(tree), "This is not the file of a model.");
  }
  return tree;
}

}  // namespace

json read_json_file(const std::filesystem::path& path) {
  std::optional<json> tree = read_optional_json_file(path);
  if (!tree) {
    fail_file(path, "", "the file", "nothing there", "Download it from the model's repository.");
  }
  return *std::move(tree);
}

std::optional<json> read_optional_json_file(const std::filesystem::path& path) {
  MappedFile file;
  try {
    file = MappedFile(path);
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory ||
        error.code() == std::errc::not_a_directory) {
      return std::nullopt;
    }
    fail_file(path, "", "a readable file", error.code().message(), "Check its permissions.");
  }
  return parse(file, path);
}

std::string describe_json(const json& value) {
  switch (value.type()) {
    case json::value_t::object: return "an object";
    case json::value_t::array: return value.empty() ? "an empty list" : "a list";
    case json::value_t::string: return printable(value.get_ref<const std::string&>());
    default: return value.dump();
  }
}

void JsonFileFields::fail(const std::string& name, std::string expected, std::string found,
                          std::string advice) const {
  fail_file(file_, prefix_ + name, std::move(expected), std::move(found), std::move(advice));
}

bool JsonFileFields::has(const char* name) const {
  const auto place = object_.find(name);
  return place != object_.end() && !place->is_null();
}

const json& JsonFileFields::value(const char* name, const std::string& expected) const {
  const auto place = object_.find(name);
  if (place == object_.end()) {
    fail(name, expected, "nothing",
         "hearth takes no value for granted: use the file of the model's own repository.");
  }
  return *place;
}

int64_t JsonFileFields::integer(const char* name, int64_t min, int64_t max) const {
  const std::string expected = fmt::format("an integer from {} to {}", min, max);
  const json& found = value(name, expected);
  const bool fits =
      found.is_number_unsigned()
          ? found.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
          : found.is_number_integer();
  if (!fits || found.get<int64_t>() < min || found.get<int64_t>() > max) {
    fail(name, expected, describe_json(found));
  }
  return found.get<int64_t>();
}

double JsonFileFields::real(const char* name, double min, double max) const {
  const std::string expected = fmt::format("a number from {} to {}", min, max);
  const json& found = value(name, expected);
  const double number = found.is_number() ? found.get<double>() : std::nan("");
  if (!(number >= min && number <= max)) fail(name, expected, describe_json(found));
  return number;
}

bool JsonFileFields::boolean(const char* name) const {
  const json& found = value(name, "true or false");
  if (!found.is_boolean()) fail(name, "true or false", describe_json(found));
  return found.get<bool>();
}

std::string JsonFileFields::text(const char* name) const {
  const json& found = value(name, "a string");
  if (!found.is_string()) fail(name, "a string", describe_json(found));
  return found.get<std::string>();
}

std::vector<int64_t> JsonFileFields::integers(const char* name, int64_t min, int64_t max) const {
  if (!has(name)) return {};
  const json& found = value(name, "");
  if (!found.is_array()) return {integer(name, min, max)};
  std::vector<int64_t> result;
  for (const json& item : found) {
    const json holder = {{name, item}};
    result.push_back(JsonFileFields(holder, file_, prefix_).integer(name, min, max));
  }
  return result;
}

JsonFileFields JsonFileFields::object(const char* name) const {
  const json& found = value(name, "an object");
  if (!found.is_object()) fail(name, "an object", describe_json(found));
  return JsonFileFields(found, file_, prefix_ + name + ".");
}

}  // namespace hearth
