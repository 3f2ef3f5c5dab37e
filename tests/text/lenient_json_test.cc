// JSON as models write it: what is JSON already stays as it is, known mistakes are repaired, and
// whatever comes, the result is JSON.
#include "text/lenient_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace hearth {
namespace {

struct ReadValue {
  std::string json;
  std::string rest;  // not taken

  bool operator==(const ReadValue&) const = default;
};

std::ostream& operator<<(std::ostream& out, const ReadValue& reading) {
  return out << reading.json << " | " << reading.rest;
}

/// Reads `text` in pieces that end at `ends`.
ReadValue read(const std::string& text, const std::vector<size_t>& ends) {
  LenientJson reader;
  ReadValue reading;
  size_t at = 0;
  for (const size_t end : ends) {
    const std::string piece = text.substr(at, end - at);
    at = end;
    const size_t taken = reader.push(piece, reading.json);
    reading.rest += piece.substr(taken);
  }
  if (!reader.done()) reader.finish(reading.json);
  return reading;
}

ReadValue read_whole(const std::string& text) { return read(text, {text.size()}); }

void expect_same_for_every_split(const std::string& text) {
  const ReadValue whole = read_whole(text);
  std::vector<size_t> bytes;
  for (size_t i = 1; i <= text.size(); ++i) {
    bytes.push_back(i);
    EXPECT_EQ(read(text, {i, text.size()}), whole) << "split at " << i << " of " << text;
  }
  EXPECT_EQ(read(text, bytes), whole) << text;
}

nlohmann::json random_value(std::mt19937& random, int depth) {
  switch (random() % (depth > 3 ? 5 : 7)) {
    case 0: return static_cast<int64_t>(random()) - (1 << 30);
    case 1: return static_cast<double>(random()) / 7e5;
    case 2: return random() % 2 == 0;
    case 3: return nullptr;
    case 4: {
      static const char* const kParts[] = {"a", "\"", "\\", "\n", "\t",  "é",    "😀", "'",
                                           "}", ",",  ": ", "<",  "{\"", "\x01", "/", "True"};
      std::string text;
      for (size_t i = random() % 8; i > 0; --i) text += kParts[random() % std::size(kParts)];
      return text;
    }
    case 5: {
      nlohmann::json array = nlohmann::json::array();
      for (size_t i = random() % 4; i > 0; --i) array.push_back(random_value(random, depth + 1));
      return array;
    }
    default: {
      nlohmann::json object = nlohmann::json::object();
      for (size_t i = random() % 4; i > 0; --i) {
        object["k" + std::to_string(random() % 9)] = random_value(random, depth + 1);
      }
      return object;
    }
  }
}

TEST(LenientJsonTest, WhatIsJsonStaysAsItIs) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    nlohmann::json value = nlohmann::json::object();
    value["a"] = random_value(random, 0);
    value["b"] = random_value(random, 0);
    const int indent = static_cast<int>(random() % 4) - 1;
    const std::string json = value.dump(indent, ' ', random() % 2 == 0);
    EXPECT_EQ(read_whole(json + "\n</tool_call>"), (ReadValue{json, "\n</tool_call>"}));
    if (round % 50 == 0) expect_same_for_every_split(json);
  }
  expect_same_for_every_split(R"({"pair": "\ud83d\ude00", "e": "\u00e9"})");
}

TEST(LenientJsonTest, MistakesAreRepaired) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({'a': 'it's', 'b': "x"})", R"({"a": "it's", "b": "x"})"},
      {R"({"a": True, "b": False, "c": None})", R"({"a": true, "b": false, "c": null})"},
      {R"({"a": [1, 2,], "b": {"c": 3,},})", R"({"a": [1, 2], "b": {"c": 3}})"},
      {R"({"a": 1,, "b": 2})", R"({"a": 1, "b": 2})"},
      {R"({"a": 1 "b": 2})", R"({"a": 1, "b": 2})"},
      {"{\"a\": \"x\"\n\"b\": 2}", "{\"a\": \"x\",\n\"b\": 2}"},
      {R"({a: 1, b_c: word})", R"({"a": 1, "b_c": "word"})"},
      {R"({"a": "say "hi" now"})", R"({"a": "say \"hi\" now"})"},
      {"{\"a\": \"two\nlines\tand a tab\"}", R"({"a": "two\nlines\tand a tab"})"},
      {R"({"a": "\d+\.\'"})", R"({"a": "\\d+\\.'"})"},
      {R"({"a": "C:\users"})", R"({"a": "C:\\users"})"},
      {R"({"a": "\ud83d", "b": "\ude00"})", R"({"a": "\ufffd", "b": "\ufffd"})"},
      {R"({"a": {"b": [1, 2)", R"({"a": {"b": [1, 2]}})"},
      {R"({"a": {"b": [1, 2})", R"({"a": {"b": [1, 2]}})"},
      {R"({"a": "no end)", R"({"a": "no end"})"},
      {R"({"a": "no end\)", R"({"a": "no end\\"})"},
      {R"({"a")", R"({"a":null})"},
      {R"({"a":)", R"({"a":null})"},
      {R"({"a", "b": 1})", R"({"a":null, "b": 1})"},
      {R"({"a": 007, "b": 1.5.2})", R"({"a": "007", "b": "1.5.2"})"},
      {"{", "{}"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_EQ(read_whole(text).json, wanted) << text;
    EXPECT_TRUE(nlohmann::json::accept(read_whole(text).json)) << text;
    expect_same_for_every_split(text);
  }
}

TEST(LenientJsonTest, ATagEndsWhatIsLeftOpen) {
  EXPECT_EQ(read_whole("{\"a\": {\"b\": 1}\n</tool_call>"),
            (ReadValue{"{\"a\": {\"b\": 1}}", "</tool_call>"}));
}

TEST(LenientJsonTest, WhateverComesTheResultIsJson) {
  std::mt19937 random(2);
  const std::string bytes = "{}[]\"':,\\ \nutrue019-.eTN<a\x01";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = "{";
    for (size_t i = random() % 30; i > 0; --i) text += bytes[random() % bytes.size()];
    const ReadValue reading = read_whole(text);
    ASSERT_TRUE(nlohmann::json::accept(reading.json)) << text << '\n' << reading.json;
    if (round % 200 == 0) expect_same_for_every_split(text);
  }
  const std::string deep(100'000, '[');
  EXPECT_TRUE(nlohmann::json::accept(read_whole(deep).json));
  EXPECT_FALSE(read_whole(deep).rest.empty()) << "depth is bounded";
}

}  // namespace
}  // namespace hearth
