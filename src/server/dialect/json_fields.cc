#include "server/dialect/json_fields.h"

#include <fmt/format.h>

#include <cmath>

#include "server/dialect/limits.h"

namespace hearth {
namespace {

/// Builds a value while it counts, so that what is too large ends early.
class BodyBuilder : public nlohmann::json_sax<Json> {
 public:
  Json& root() { return root_; }
  const std::string& problem() const { return problem_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return fail("binary"); }

  bool start_object(size_t) override { return enter(Json::object()); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return enter(Json::array()); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    Open& object = open_.back();
    if (++object.keys > kLimits.keys_of_object) {
      return fail(fmt::format("an object has more than {} keys", kLimits.keys_of_object));
    }
    if (++keys_ > kLimits.keys) return fail(fmt::format("more than {} keys", kLimits.keys));
    object.field = &(*object.value)[name];
    return true;
  }

  bool parse_error(size_t, const std::string&, const Json::exception& error) override {
    // Without the library's own number of the error, in brackets.
    const std::string_view what = error.what();
    const size_t bracket = what.find("] ");
    return fail(std::string(what.substr(bracket == what.npos ? 0 : bracket + 2)));
  }

 private:
  /// An object or array whose end has not come. The pointers hold until it gets its next value.
  struct Open {
    Json* value;
    Json* field = nullptr;  // of an object: whose key came last
    size_t keys = 0;
  };

  bool add(Json value) { return place(std::move(value)) != nullptr; }

  /// Where the value is now; null when there are too many.
  Json* place(Json value) {
    if (++values_ > kLimits.values) {
      fail(fmt::format("more than {} values", kLimits.values));
      return nullptr;
    }
    if (open_.empty()) return &(root_ = std::move(value));
    Open& parent = open_.back();
    if (parent.field) return &(*parent.field = std::move(value));
    parent.value->push_back(std::move(value));
    return &parent.value->back();
  }

  bool enter(Json container) {
    if (open_.size() >= kLimits.depth) {
      return fail(fmt::format("deeper than {} levels", kLimits.depth));
    }
    Json* const value = place(std::move(container));
    if (value) open_.push_back({value});
    return value != nullptr;
  }
  bool leave() {
    open_.pop_back();
    return true;
  }
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  Json root_;
  std::vector<Open> open_;  // the innermost last
  size_t keys_ = 0;
  size_t values_ = 0;
  std::string problem_;
};

}  // namespace

Json parse_json(std::string_view body) {
  BodyBuilder builder;
  if (Json::sax_parse(body, &builder)) return std::move(builder.root());
  throw ApiError(ApiError::Kind::kInvalid,
                 fmt::format("The body is not acceptable JSON: {}.", builder.problem()));
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::boolean: return "a boolean";
    case Json::value_t::string: return "a string";
    case Json::value_t::array: return "an array";
    case Json::value_t::object: return "an object";
    default: return "a number";
  }
}

JsonFields::JsonFields(const Json& object, std::string path)
    : object_(&object), path_(std::move(path)) {
  if (object.is_object()) return;
  throw ApiError(ApiError::Kind::kInvalid,
                 fmt::format("{} must be an object, not {}.", path_.empty() ? "The body" : path_,
                             kind_of(object)),
                 path_);
}

const Json* JsonFields::find(const char* key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::string JsonFields::path(std::string_view key) const {
  if (path_.empty()) return std::string(key);
  return fmt::format("{}.{}", path_, key);
}

void JsonFields::fail(std::string_view key, const std::string& problem) const {
  throw ApiError(ApiError::Kind::kInvalid, fmt::format("{} {}.", path(key), problem), path(key));
}

void JsonFields::wrong_kind(const char* key, const char* expected) const {
  fail(key, fmt::format("must be {}, not {}", expected, kind_of(object_->at(key))));
}

std::optional<bool> JsonFields::boolean(const char* key) const {
  const Json* const value = find(key);
  if (!value) return {};
  if (!value->is_boolean()) wrong_kind(key, "a boolean");
  return value->get<bool>();
}

std::optional<int64_t> JsonFields::integer(const char* key, int64_t min, int64_t max) const {
  const auto given = number(key, static_cast<double>(min), static_cast<double>(max));
  if (!given) return {};
  const Json& value = *find(key);
  if (value.is_number_integer()) return value.get<int64_t>();
  if (*given != std::floor(*given)) wrong_kind(key, "an integer");
  return static_cast<int64_t>(*given);
}

std::optional<double> JsonFields::number(const char* key, double min, double max) const {
  const Json* const value = find(key);
  if (!value) return {};
  if (!value->is_number()) wrong_kind(key, "a number");
  const double number = value->get<double>();
  if (!(number >= min && number <= max)) {
    fail(key, fmt::format("must be from {} to {}, not {}", min, max, number));
  }
  return number;
}

std::optional<std::string> JsonFields::text(const char* key) const {
  const Json* const value = find(key);
  if (!value) return {};
  if (!value->is_string()) wrong_kind(key, "a string");
  return value->get<std::string>();
}

std::string JsonFields::required_text(const char* key) const {
  if (!has(key)) fail(key, "is missing; it must be a string");
  return *text(key);
}

std::optional<JsonFields> JsonFields::object(const char* key) const {
  const Json* const value = find(key);
  if (!value) return {};
  return JsonFields(*value, path(key));
}

const Json* JsonFields::array(const char* key, size_t max) const {
  const Json* const value = find(key);
  if (!value) return nullptr;
  if (!value->is_array()) wrong_kind(key, "an array");
  if (value->size() > max) {
    fail(key, fmt::format("has {} entries; at most {} are allowed", value->size(), max));
  }
  return value;
}

std::vector<JsonFields> JsonFields::objects(const char* key, size_t max) const {
  std::vector<JsonFields> all;
  const Json* const values = array(key, max);
  if (!values) return all;
  for (const Json& value : *values) {
    all.emplace_back(value, fmt::format("{}[{}]", path(key), all.size()));
  }
  return all;
}

}  // namespace hearth
