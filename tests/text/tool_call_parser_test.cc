// Tool calls as Qwen models write them, and the mistakes that are known from public reports, each
// at every place where the text can be split.
#include "text/tool_call_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace hearth {
namespace {

using Kind = ToolPiece::Kind;
using nlohmann::ordered_json;

const ordered_json& tools() {
  static const ordered_json kTools = ordered_json::parse(R"([
    {"type": "function", "function": {"name": "get_weather", "parameters": {
      "type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "metric": {"type": "boolean"}}}}},
    {"type": "function", "function": {"name": "write_file", "parameters": {
      "type": "object", "required": ["path", "content"], "properties": {
        "path": {"type": "string"}, "content": {"type": "string"},
        "options": {"type": "object"}, "tags": {"type": "array"},
        "mode": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "note": {"type": ["string", "null"]}, "ratio": {"$ref": "#/$defs/ratio"},
        "any": {}},
      "$defs": {"ratio": {"type": "number"}}}}},
    {"type": "function", "function": {"name": "now"}}])");
  return kTools;
}

/// What came of a text: texts, and calls as `NAME(ARGUMENTS)`, in order; `…` behind arguments that
/// were cut off.
class Reading {
 public:
  explicit Reading(bool known_only = false) : parser_(schemas(), known_only) {}

  Reading& push(const std::string& text) {
    add(parser_.push(text));
    return *this;
  }
  Reading& flush() {
    add(parser_.flush());
    return *this;
  }
  Reading& cut() {
    add(parser_.cut());
    return *this;
  }
  const std::vector<std::string>& parts() const { return parts_; }

 private:
  static const ToolSchemas& schemas() {
    static const ToolSchemas kSchemas(tools());
    return kSchemas;
  }

  void add(const std::vector<ToolPiece>& pieces) {
    for (const ToolPiece& piece : pieces) {
      switch (piece.kind) {
        case Kind::kText:
          if (parts_.empty() || !in_text_) parts_.emplace_back();
          parts_.back() += piece.text;
          break;
        case Kind::kBegin:
          EXPECT_FALSE(in_call_);
          in_call_ = true;
          arguments_.clear();
          parts_.push_back(piece.text);
          break;
        case Kind::kArguments:
          EXPECT_TRUE(in_call_);
          arguments_ += piece.text;
          break;
        case Kind::kEnd:
          EXPECT_TRUE(in_call_);
          in_call_ = false;
          if (!ordered_json::accept(arguments_)) arguments_ += "…";
          parts_.back() += "(" + arguments_ + ")";
          break;
      }
      in_text_ = piece.kind == Kind::kText;
    }
  }

  ToolCallParser parser_;
  std::vector<std::string> parts_;
  std::string arguments_;
  bool in_text_ = false;
  bool in_call_ = false;
};

using Parts = std::vector<std::string>;

Parts parse(const std::string& text) { return Reading().push(text).flush().parts(); }

/// Where characters end.
std::vector<size_t> ends_of(const std::string& text) {
  std::vector<size_t> ends;
  for (size_t i = 1; i <= text.size(); ++i) {
    const bool inside = i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
    if (!inside) ends.push_back(i);
  }
  return ends;
}

void expect_parts(const std::string& text, const Parts& wanted) {
  EXPECT_EQ(parse(text), wanted) << text;
  Reading one_by_one;
  size_t at = 0;
  for (const size_t end : ends_of(text)) {
    EXPECT_EQ(Reading().push(text.substr(0, end)).push(text.substr(end)).flush().parts(), wanted)
        << "split at " << end << " of " << text;
    one_by_one.push(text.substr(at, end - at));
    at = end;
  }
  EXPECT_EQ(one_by_one.flush().parts(), wanted) << text;
}

constexpr const char* kParis = R"(get_weather({"city": "Paris"}))";

TEST(ToolCallParserTest, CallsInJson) {
  const std::string call =
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
      "\"Paris\"}}\n</tool_call>";
  expect_parts(call, {kParis});
  expect_parts("\n" + call + "\n", {kParis});
  expect_parts("Let me look.\n" + call, {"Let me look.", kParis});
  expect_parts("Let me look.\n\n" + call, {"Let me look.\n", kParis});
  expect_parts(call + "\n" + call, {kParis, kParis});
  expect_parts(call + "\n\nDone: é 日本 😀.", {kParis, "\n\nDone: é 日本 😀."});
  expect_parts("a\n" + call + "\nb\n" + call + "\nc", {"a", kParis, "\nb", kParis, "\nc"});
  expect_parts("<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>", {"now({})"});
  // A tool that the request does not have: who asked may say so to the model.
  expect_parts("<tool_call>\n{\"name\": \"nope\", \"arguments\": {}}\n</tool_call>", {"nope({})"});
}

TEST(ToolCallParserTest, CallsInXml) {
  expect_parts(
      "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
      "<parameter=days>\n3\n</parameter>\n<parameter=metric>\nTrue\n</parameter>\n"
      "</function>\n</tool_call>",
      {R"(get_weather({"city": "Paris", "days": 3, "metric": true}))"});
  expect_parts("<tool_call>\n<function=now>\n</function>\n</tool_call>", {"now({})"});
  expect_parts("<tool_call><function=now></function></tool_call>", {"now({})"});
  expect_parts(
      "Hm.\n<tool_call>\n<function=get_weather>\n<parameter=city>Paris</parameter>\n"
      "</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
      {"Hm.", kParis, "now({})"});
  // Lines and quotes of a value are its own, but for the line ends at its tags.
  expect_parts(
      "<tool_call>\n<function=write_file>\n<parameter=path>\n\n</parameter>\n"
      "<parameter=content>\n\n  \"a\"\\\n\n\té\n\n</parameter>\n</function>\n</tool_call>",
      {R"(write_file({"path": "", "content": "\n  \"a\"\\\n\n\té\n"}))"});
}

TEST(ToolCallParserTest, ValuesInXmlGetTheTypesOfTheirSchemas) {
  const auto value = [](const std::string& parameter, const std::string& text) {
    const Parts parts = parse("<tool_call>\n<function=write_file>\n<parameter=" + parameter +
                              ">\n" + text + "\n</parameter>\n</function>\n</tool_call>");
    const std::string start = "write_file({\"" + parameter + "\": ";
    EXPECT_TRUE(parts.size() == 1 && parts[0].starts_with(start)) << parts.at(0);
    return parts[0].substr(start.size(), parts[0].size() - start.size() - 2);
  };
  EXPECT_EQ(value("content", "5"), "\"5\"");
  EXPECT_EQ(value("content", "null"), "\"null\"");
  EXPECT_EQ(value("content", "{\"a\": 1}"), R"("{\"a\": 1}")");
  EXPECT_EQ(value("options", "{\"a\": [1, true]}"), "{\"a\": [1, true]}");
  EXPECT_EQ(value("options", "{'theme': 'dark', 'on': True, 'x': None,}"),
            R"({"theme": "dark", "on": true, "x": null})");
  EXPECT_EQ(value("options", "none of it"), "\"none of it\"");
  EXPECT_EQ(value("tags", "['python', 'tutorial']"), R"(["python", "tutorial"])");
  EXPECT_EQ(value("mode", "420"), "420");
  EXPECT_EQ(value("mode", "None"), "null");
  EXPECT_EQ(value("mode", "rw"), "\"rw\"");
  EXPECT_EQ(value("ratio", " 0.5 "), "0.5");
  EXPECT_EQ(value("note", "null"), "null");
  EXPECT_EQ(value("note", "3"), "\"3\"");
  EXPECT_EQ(value("any", "3"), "3");
  EXPECT_EQ(value("any", "three"), "\"three\"");
  EXPECT_EQ(value("any", "{'a': 1}"), "\"{'a': 1}\"") << "a string may look like that";
  EXPECT_EQ(value("undeclared", "[1]"), "[1]");
}

TEST(ToolCallParserTest, MistakesInXmlThatModelsAreKnownFor) {
  const std::string opening = "<function=get_weather>\n<parameter=city>\n";
  // The opening tag is left out, most often behind a sentence, and the closing one is not.
  expect_parts("I'll look.\n\n" + opening + "Paris\n</parameter>\n</function>\n</tool_call>",
               {"I'll look.\n", kParis});
  expect_parts(opening + "Paris\n</parameter>\n</function>", {kParis});
  // Closing tags are left out.
  expect_parts("<tool_call>\n" + opening + "Paris\n</function>\n</tool_call>", {kParis});
  expect_parts("<tool_call>\n" + opening + "Paris\n</parameter>\n</tool_call>", {kParis});
  expect_parts("<tool_call>\n" + opening + "Paris\n</tool_call>", {kParis});
  expect_parts("<tool_call>\n" + opening + "Paris", {kParis});
  expect_parts("<tool_call>\n" + opening + "Paris\n</parameter>\n</func", {kParis});
  expect_parts("<tool_call>\n" + opening + "Paris\n</param", {kParis});
  expect_parts("<tool_call>\n" + opening + "Paris\n<parameter=days>\n3\n</parameter>\n</function>",
               {R"(get_weather({"city": "Paris", "days": 3}))"});
  expect_parts("<tool_call>\n" + opening + "Paris\n<tool_call>\n<function=now>\n</function>",
               {kParis, "now({})"});
  // Names in quotes, or without the bracket behind them.
  expect_parts(
      "<tool_call>\n<function=\"get_weather\">\n<parameter=\"city\">\nParis\n</parameter>"
      "\n</function>\n</tool_call>",
      {kParis});
  expect_parts(
      "<tool_call>\n<function=get_weather\n<parameter=city\nParis\n</parameter>\n"
      "</function>\n</tool_call>",
      {kParis});
  expect_parts(
      "<tool_call>\n<function name=\"get_weather\">\n<parameter name=\"city\">\nParis\n"
      "</parameter>\n</function>\n</tool_call>",
      {kParis});
  // JSON in place of parameters.
  expect_parts(
      "<tool_call>\n<function=get_weather>\n{\"city\": \"Paris\"}\n</function>\n"
      "</tool_call>",
      {kParis});
}

TEST(ToolCallParserTest, ValuesMayHoldTheTagsThemselves) {
  const auto expect_value = [](const std::string& value) {
    const std::string json = ordered_json(value).dump();
    expect_parts("<tool_call>\n<function=write_file>\n<parameter=content>\n" + value +
                     "\n</parameter>\n<parameter=path>\na\n</parameter>\n</function>\n"
                     "</tool_call>",
                 {"write_file({\"content\": " + json + ", \"path\": \"a\"})"});
  };
  expect_value("A block ends with </tool_call> on its own.");
  expect_value("A value ends with </parameter> here.");
  expect_value("pattern = r'<parameter=edits>\\n(.*?)\\n</parameter>'\nprint(pattern)");
  expect_value("<function=f>\n<parameter=edits>\nx");
  expect_value("#include <functional>\n<tool_call> is a tag\n</function> too");
  expect_value("a < b && c > d\n<");
}

TEST(ToolCallParserTest, MistakesInJsonThatModelsAreKnownFor) {
  const std::string inner = R"({"name": "get_weather", "arguments": {"city": "Paris"}})";
  // Closing tags and brackets are left out, or come twice.
  expect_parts("<tool_call>\n" + inner, {kParis});
  expect_parts("<tool_call>\n" + inner + "\n</tool_c", {kParis});
  expect_parts("<tool_call>\n" + inner + "\n<tool_call>\n" + inner, {kParis, kParis});
  expect_parts("<tool_call>\n" + inner + "\n" + inner + "\n</tool_call>", {kParis, kParis});
  expect_parts("<tool_call>\n" + inner + "}\n</tool_call>", {kParis});
  expect_parts("<tool_call>\n" + inner + "}", {kParis});
  expect_parts(R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}</tool_call>)",
               {kParis});
  expect_parts(R"(<tool_call>{"name": "get_weather", "arguments": {"city": "Paris)", {kParis});
  // Python's spelling, and commas too many.
  expect_parts(
      "<tool_call>\n{'name': 'get_weather', 'arguments': {'city': 'Paris',},}\n"
      "</tool_call>",
      {kParis});
  expect_parts(R"(<tool_call>{"name": "get_weather", "arguments": {"metric": True}}</tool_call>)",
               {R"(get_weather({"metric": true}))"});
  // Arguments as a string, under another name, or none.
  expect_parts(R"(<tool_call>{"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"})"
               "</tool_call>",
               {kParis});
  expect_parts(R"(<tool_call>{"name": "get_weather", "parameters": {"city": "Paris"}}</tool_call>)",
               {kParis});
  expect_parts(R"(<tool_call>{"arguments": {"city": "Paris"}, "name": "get_weather"}</tool_call>)",
               {kParis});
  expect_parts(R"(<tool_call>{"type": "function", "function": {"name": "get_weather",)"
               R"( "arguments": {"city": "Paris"}}}</tool_call>)",
               {kParis});
  for (const char* none : {R"(, "arguments": "")", R"(, "arguments": null)", ""}) {
    expect_parts(std::string(R"(<tool_call>{"name": "now")") + none + "}</tool_call>", {"now({})"});
  }
  // Quotes and line ends that should be escaped.
  expect_parts(
      "<tool_call>{\"name\": \"write_file\", \"arguments\": {\"content\": \"a \"b\" c\nd\"}}"
      "</tool_call>",
      {R"(write_file({"content": "a \"b\" c\nd"}))"});
  // The tag within a value.
  expect_parts(R"(<tool_call>{"name": "write_file", "arguments": {"content": "</tool_call> x"}})"
               "</tool_call>",
               {R"(write_file({"content": "</tool_call> x"}))"});
}

TEST(ToolCallParserTest, WhatIsNoCallIsText) {
  for (const char* text : {
           "Nothing of the kind.",
           "a < b <tool> <tool_cal",
           "<tool_call>",
           "<tool_call>\n",
           "<tool_call> is how a call begins.",
           "Write `<tool_call>{\"name\": \"x\", \"arguments\": {}}</tool_call>` in a line.",
           "<tool_call>\n{\"no\": \"name\"}\n</tool_call>",
           "<tool_call>\n{\"name\": \"now\", \"arguments\": 5}\n</tool_call>",
           "<tool_call>\n{\"name\": \"now\", \"arguments\": \"soon\"}\n</tool_call>",
           "<tool_call>\n{\"name\": \"get_weather\", \"city\": \"Paris\"}\n</tool_call>",
           "<tool_call>\n{oh no (",
           "#include <functional>\n<function=",
           "Use <function=get_weather> to ask.",
           "<function=unknown>\n<parameter=a>\n1\n</parameter>\n</function>",
           "</tool_call>",
           "  \n ",
       }) {
    expect_parts(text, {text});
  }
  expect_parts("", {});
}

TEST(ToolCallParserTest, ArgumentsComeAsTheyAreWritten) {
  Reading json;
  json.push("<tool_call>\n{\"name\": \"write_file\", \"arguments\": {\"path\": \"long te");
  EXPECT_EQ(json.parts(), Parts{"write_file"});
  const ToolSchemas schemas(tools());
  ToolCallParser parser(schemas, false);
  std::string shown;
  size_t held = 0;
  const auto push = [&](const std::string& text) {
    for (const ToolPiece& piece : parser.push(text)) {
      if (piece.kind == Kind::kArguments) shown += piece.text;
    }
    held = text.size();
  };
  push("<tool_call>\n<function=write_file>\n<parameter=content>\nOnce upon a time");
  EXPECT_EQ(shown, R"({"content": "Once upon a time)");
  push(" there was\n");
  EXPECT_EQ(shown, R"({"content": "Once upon a time there was)") << "the line end may be the tag's";
  push("a model");
  EXPECT_EQ(shown, R"({"content": "Once upon a time there was\na model)");
}

TEST(ToolCallParserTest, ACallThatIsCutOffStaysIncomplete) {
  const std::string json =
      R"(<tool_call>{"name": "write_file", "arguments": {"path": "a", "content": "rm -rf /)";
  const std::string xml = "<tool_call>\n<function=write_file>\n<parameter=content>\nrm -rf /";
  for (const std::string& text : {json, xml}) {
    const Parts parts = Reading().push(text).cut().parts();
    ASSERT_EQ(parts.size(), 1U);
    EXPECT_TRUE(parts[0].starts_with("write_file({") && parts[0].ends_with("…)")) << parts[0];
  }
  const std::string begun = "Text\n<tool_call>\n{\"name\": \"wri";
  EXPECT_EQ(Reading().push(begun).cut().parts(), Parts{begun});
}

/// All text that is not of calls, without white space.
std::string text_of(const Parts& parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

TEST(ToolCallParserTest, RandomTextsGiveTheSameForEverySplitAndLoseNothing) {
  static const char* const kParts[] = {"<tool_call>",
                                       "</tool_call>",
                                       "<function=now>",
                                       "<function=get_weather>",
                                       "</function>",
                                       "<parameter=city>",
                                       "</parameter>",
                                       "\n",
                                       " ",
                                       "{",
                                       "}",
                                       "\"",
                                       "\"name\"",
                                       ": \"now\"",
                                       ", ",
                                       "\"arguments\": {}",
                                       "word",
                                       "<",
                                       "</",
                                       "é😀",
                                       "'",
                                       "[",
                                       "<parameter=x>",
                                       "\\",
                                       "null"};
  std::mt19937 random(3);
  int calls = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t i = random() % 14; i > 0; --i) text += kParts[random() % std::size(kParts)];
    const Parts whole = parse(text);
    Reading split;
    size_t at = 0;
    for (const size_t end : ends_of(text)) {
      if (random() % 3 == 0) {
        split.push(text.substr(at, end - at));
        at = end;
      }
    }
    ASSERT_EQ(split.push(text.substr(at)).flush().parts(), whole) << text;
    const bool called = std::any_of(whole.begin(), whole.end(), [](const std::string& part) {
      return part.starts_with("now({") || part.starts_with("get_weather({");
    });
    calls += called ? 1 : 0;
    if (!called) {
      ASSERT_EQ(text_of(whole), text_of({text}));
    }
  }
  EXPECT_GT(calls, 100);
}

TEST(ToolCallParserTest, RepeatedTagsDoNotTakeForever) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "<tool_call>\n{\"a\": \"";
  Reading reading;
  for (size_t at = 0; at < text.size(); at += 7) reading.push(text.substr(at, 7));
  EXPECT_EQ(text_of(reading.flush().parts()), text_of({text}));
}

}  // namespace
}  // namespace hearth
