#include "tests/answer/random_schema.h"

#include <string>
#include <utility>

namespace hearth::testing {
namespace {

using nlohmann::ordered_json;

class Maker {
 public:
  explicit Maker(std::mt19937& random) : random_(random) {}

  ordered_json root() {
    ordered_json schema;
    if (one_in(4)) {
      definitions_ = {"point", "tree"};
      schema = object(0);
      schema["$defs"]["point"] = {{"type", "object"},
                                  {"properties", {{"x", number()}, {"y", number()}}},
                                  {"required", {"x"}},
                                  {"additionalProperties", false}};
      schema["$defs"]["tree"] = ordered_json::parse(R"({"type": "object", "properties": {
          "value": {"type": "integer"},
          "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 3}},
          "required": ["value"], "additionalProperties": false})");
    } else {
      schema = one_in(3) ? any(0) : object(0);
    }
    if (one_in(3)) schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
    if (one_in(4)) schema["title"] = "An \"answer\"";
    return schema;
  }

 private:
  uint32_t below(uint32_t limit) { return random_() % limit; }
  bool one_in(uint32_t count) { return below(count) == 0; }

  ordered_json any(int depth) {
    constexpr int kDeepest = 3;
    switch (below(depth < kDeepest ? 12 : 6)) {
      case 0: return integer();
      case 1: return number();
      case 2: return {{"type", one_in(3) ? "null" : "boolean"}};
      case 3: return choice();
      case 4:
      case 5: return string();
      case 6: return array(depth);
      case 7: return {{"anyOf", {any(depth + 1), any(depth + 1)}}};
      case 8: return one_of(depth);
      case 9: return all_of();
      case 10:
        if (definitions_.empty()) return object(depth);
        return {{"$ref", "#/$defs/" + definitions_[below(2)]}};
      default: return object(depth);
    }
  }

  ordered_json integer() {
    ordered_json schema = {{"type", "integer"}};
    const int64_t low = static_cast<int64_t>(below(2000)) - 1000;
    if (one_in(2)) schema[one_in(2) ? "minimum" : "exclusiveMinimum"] = low;
    if (one_in(2)) schema[one_in(2) ? "maximum" : "exclusiveMaximum"] = low + 2 + below(1000);
    if (one_in(6)) schema = {{"type", "integer"}, {"multipleOf", 1 + below(12)}};
    return schema;
  }

  ordered_json number() {
    ordered_json schema = {{"type", "number"}};
    const double low = static_cast<double>(below(4000)) / 8 - 250;
    if (one_in(3)) schema["minimum"] = low;
    if (one_in(3)) schema["maximum"] = low + 1 + below(100);
    return schema;
  }

  ordered_json choice() {
    if (one_in(3)) return {{"const", scalar()}};
    ordered_json values = ordered_json::array();
    for (uint32_t i = 1 + below(5); i > 0; --i) values.push_back(scalar());
    if (one_in(3)) values.push_back({{"nested", {1, "two", nullptr}}});
    return {{"enum", values}};
  }

  ordered_json scalar() {
    static const char* const kTexts[] = {"",      "red",         "it's \"q\"",
                                         "naïve", "日本 🙂", "a/b\\c\n"};
    switch (below(5)) {
      case 0: return static_cast<int64_t>(below(200)) - 100;
      case 1: return nullptr;
      case 2: return one_in(2);
      default: return kTexts[below(std::size(kTexts))];
    }
  }

  ordered_json string() {
    static const char* const kPatterns[] = {"^[a-z]{2,5}$", "^\\d{3}-\\d{4}$", "^(yes|no|maybe)$",
                                            "^[A-Z][a-z]*( [A-Z][a-z]*){0,2}$",
                                            "^#[0-9a-fA-F]{6}$"};
    static const char* const kFormats[] = {"date", "date-time", "time", "uuid", "email", "ipv4"};
    ordered_json schema = {{"type", "string"}};
    switch (below(5)) {
      case 0: schema["pattern"] = kPatterns[below(std::size(kPatterns))]; break;
      case 1: schema["format"] = kFormats[below(std::size(kFormats))]; break;
      case 2: {
        const uint32_t least = below(5);
        if (one_in(2)) schema["minLength"] = least;
        if (one_in(2)) schema["maxLength"] = least + below(20);
        break;
      }
      default: break;
    }
    return schema;
  }

  ordered_json array(int depth) {
    ordered_json schema = {{"type", "array"}};
    const uint32_t least = below(3);
    if (one_in(3)) {
      schema["prefixItems"] = {any(depth + 1), any(depth + 1)};
      schema["items"] = one_in(2) ? ordered_json(false) : any(depth + 1);
      return schema;
    }
    schema["items"] = any(depth + 1);
    if (one_in(2)) schema["minItems"] = least;
    if (one_in(2)) schema["maxItems"] = least + below(4);
    return schema;
  }

  /// Alternatives of different types, or told apart by a constant.
  ordered_json one_of(int depth) {
    if (one_in(2)) return {{"oneOf", {integer(), string(), {{"type", "null"}}}}};
    ordered_json schemas = ordered_json::array();
    for (const char* kind : {"circle", "square", "line"}) {
      schemas.push_back({{"type", "object"},
                         {"properties", {{"kind", {{"const", kind}}}, {"size", any(depth + 2)}}},
                         {"required", {"kind", "size"}},
                         {"additionalProperties", false}});
    }
    return {{"oneOf", schemas}};
  }

  ordered_json all_of() {
    return {{"allOf",
             {{{"type", "object"}, {"properties", {{"a", integer()}}}, {"required", {"a"}}},
              {{"type", "object"}, {"properties", {{"b", string()}}}, {"required", {"b"}}}}}};
  }

  ordered_json object(int depth) {
    static const char* const kNames[] = {"id", "name", "größe", "a b", "x-y", "tags", "\"q\""};
    ordered_json schema = {{"type", "object"}, {"properties", ordered_json::object()}};
    ordered_json required = ordered_json::array();
    for (uint32_t i = below(5); i > 0; --i) {
      const char* name = kNames[below(std::size(kNames))];
      if (schema["properties"].contains(name)) continue;
      schema["properties"][name] = any(depth + 1);
      if (one_in(2)) required.push_back(name);
    }
    if (!required.empty()) schema["required"] = required;
    switch (below(4)) {
      case 0: break;
      case 1: schema["additionalProperties"] = integer(); break;
      default: schema["additionalProperties"] = false; break;
    }
    return schema;
  }

  std::mt19937& random_;
  std::vector<std::string> definitions_;
};

}  // namespace

nlohmann::ordered_json random_schema(std::mt19937& random) { return Maker(random).root(); }

}  // namespace hearth::testing
