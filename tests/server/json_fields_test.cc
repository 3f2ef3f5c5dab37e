// What bodies may be, and errors that name the field.
#include "server/dialect/json_fields.h"

#include <gtest/gtest.h>

#include "server/dialect/limits.h"

namespace hearth {
namespace {

/// The error that a call throws: "PARAMETER: MESSAGE".
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.kind(), ApiError::Kind::kInvalid);
    return error.parameter() + ": " + error.what();
  }
  return "nothing";
}

std::string parse_error(const std::string& body) {
  return error_of([&] { parse_json(body); });
}

std::string nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::string object_of(size_t keys) {
  std::string text = "{";
  for (size_t i = 0; i < keys; ++i) {
    text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
  }
  return text + "}";
}

TEST(JsonFieldsTest, BodiesAreParsedInOrder) {
  EXPECT_EQ(to_text(parse_json(R"({"z": 1, "a": [true, null, "ü"]})")),
            R"({"z":1,"a":[true,null,"ü"]})");
}

TEST(JsonFieldsTest, WhatIsNoJsonIsRefused) {
  for (const std::string body : {"", "{", "{\"a\":}", "[1,]", "nul", "{} {}", "\"\\ud800\"",
                                 "1e999", "{\"a\": \"\x80\"}", "\"\xc0\xaf\"", "\xff", "'a'"}) {
    EXPECT_TRUE(parse_error(body).starts_with(": The body is not acceptable JSON: ")) << body;
  }
}

TEST(JsonFieldsTest, DepthIsLimited) {
  EXPECT_EQ(parse_error(nested(kLimits.depth)), "nothing");
  EXPECT_EQ(parse_error(nested(kLimits.depth + 1)),
            ": The body is not acceptable JSON: deeper than 64 levels.");
  EXPECT_EQ(parse_error(std::string(10'000'000, '[')),
            ": The body is not acceptable JSON: deeper than 64 levels.");
}

TEST(JsonFieldsTest, KeysAreLimited) {
  EXPECT_EQ(parse_error(object_of(kLimits.keys_of_object)), "nothing");
  EXPECT_EQ(parse_error(object_of(kLimits.keys_of_object + 1)),
            ": The body is not acceptable JSON: an object has more than 1024 keys.");
  std::string many = "[";
  for (size_t i = 0; i <= kLimits.keys / 1000; ++i) many += object_of(1000) + ",";
  EXPECT_EQ(parse_error(many + "0]"), ": The body is not acceptable JSON: more than 200000 keys.");
}

TEST(JsonFieldsTest, ValuesAreLimited) {
  const auto zeros = [](size_t count) {
    std::string text = "[";
    for (size_t i = 1; i < count; ++i) text += "0,";
    return text + "0]";
  };
  EXPECT_EQ(parse_error(zeros(kLimits.values - 1)), "nothing");
  EXPECT_EQ(parse_error(zeros(kLimits.values)),
            ": The body is not acceptable JSON: more than 2000000 values.");
}

TEST(JsonFieldsTest, ValuesAreBuiltAsTheyCome) {
  for (const std::string body :
       {R"({"z":{"y":[{},[],{"a":[1,[2.5,-3],{"b":null}]}],"x":"é\n"},"a":[[[]],true]})", "5",
        R"("text")", "null", R"([{"a":1},{"a":{"a":[0]}},18446744073709551615])"}) {
    EXPECT_EQ(parse_json(body), Json::parse(body));
    EXPECT_EQ(to_text(parse_json(body)), Json::parse(body).dump());
  }
  EXPECT_EQ(to_text(parse_json(R"({"a":[1],"b":2,"a":{"c":3}})")), R"({"a":{"c":3},"b":2})");
}

TEST(JsonFieldsTest, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(to_text(Json("a\xe2\x82")), "\"a\xef\xbf\xbd\"");
}

TEST(JsonFieldsTest, AbsentFieldsAndNullAreNothing) {
  const Json json = {{"null", nullptr}};
  const JsonFields fields(json);
  for (const char* key : {"null", "absent"}) {
    EXPECT_FALSE(fields.has(key));
    EXPECT_FALSE(fields.boolean(key));
    EXPECT_FALSE(fields.integer(key, 0, 1));
    EXPECT_FALSE(fields.number(key, 0, 1));
    EXPECT_FALSE(fields.text(key));
    EXPECT_FALSE(fields.object(key));
    EXPECT_EQ(fields.array(key, 1), nullptr);
    EXPECT_TRUE(fields.objects(key, 1).empty());
  }
}

TEST(JsonFieldsTest, ValuesAreReadByType) {
  const Json json = {{"yes", true}, {"five", 5},    {"five_too", 5.0},
                     {"half", 0.5}, {"word", "ja"}, {"list", {{{"x", 1}}, {{"x", 2}}}}};
  const JsonFields fields(json, "here");
  EXPECT_EQ(fields.boolean("yes"), true);
  EXPECT_EQ(fields.integer("five", 0, 10), 5);
  EXPECT_EQ(fields.integer("five_too", 0, 10), 5);
  EXPECT_EQ(fields.number("half", 0, 1), 0.5);
  EXPECT_EQ(fields.text("word"), "ja");
  const auto list = fields.objects("list", 2);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1].integer("x", 0, 9), 2);
  EXPECT_EQ(list[1].path("x"), "here.list[1].x");
}

TEST(JsonFieldsTest, ErrorsNameTheField) {
  const Json json = {
      {"text", 5}, {"list", {1}}, {"big", 11}, {"half", 0.5}, {"huge", uint64_t(-1)}};
  const JsonFields body(json);
  const JsonFields inner(json, "tools[1].function");
  EXPECT_EQ(error_of([&] { body.text("text"); }), "text: text must be a string, not a number.");
  EXPECT_EQ(error_of([&] { inner.text("text"); }),
            "tools[1].function.text: tools[1].function.text must be a string, not a number.");
  EXPECT_EQ(error_of([&] { body.boolean("text"); }), "text: text must be a boolean, not a number.");
  EXPECT_EQ(error_of([&] { body.object("list"); }), "list: list must be an object, not an array.");
  EXPECT_EQ(error_of([&] { body.objects("list", 9); }),
            "list[0]: list[0] must be an object, not a number.");
  EXPECT_EQ(error_of([&] { body.array("list", 0); }),
            "list: list has 1 entries; at most 0 are allowed.");
  EXPECT_EQ(error_of([&] { body.array("big", 0); }), "big: big must be an array, not a number.");
  EXPECT_EQ(error_of([&] { body.integer("big", 0, 10); }),
            "big: big must be from 0 to 10, not 11.");
  EXPECT_NE(error_of([&] { body.integer("huge", 0, 10); }), "nothing");
  EXPECT_EQ(error_of([&] { body.integer("half", 0, 10); }),
            "half: half must be an integer, not a number.");
  EXPECT_EQ(error_of([&] { body.number("list", 0, 10); }),
            "list: list must be a number, not an array.");
  EXPECT_EQ(error_of([&] { body.required_text("gone"); }),
            "gone: gone is missing; it must be a string.");
  EXPECT_EQ(error_of([&] { JsonFields(Json::array()); }),
            ": The body must be an object, not an array.");
}

}  // namespace
}  // namespace hearth
