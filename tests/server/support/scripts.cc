#include "tests/server/support/scripts.h"

#include <gtest/gtest.h>

#include <sstream>

namespace hearth::testing {
namespace {

using Json = nlohmann::ordered_json;
using Reason = ChoiceFinished::Reason;

size_t below(size_t bound, std::mt19937_64& random) {
  return std::uniform_int_distribution<size_t>(0, bound - 1)(random);
}

std::string random_text(std::mt19937_64& random) {
  const std::vector<std::string> pieces = {"a",        "Zürich ", "\n", "\"", "\\", "日本",
                                           "</think>", "data: ",  "{",  "\t", "🔥",  " "};
  std::string text;
  for (size_t i = 0; i <= below(4, random); ++i) text += pieces[below(pieces.size(), random)];
  return text;
}

/// JSON in pieces, cut anywhere between bytes of ASCII.
std::vector<std::string> random_arguments(std::mt19937_64& random) {
  const std::string whole =
      Json{{"path", "a/b"}, {"lines", {1, 2, 3}}, {"deep", {{"x", true}}}}.dump();
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin < whole.size();) {
    const size_t bytes = 1 + below(9, random);
    pieces.push_back(whole.substr(begin, bytes));
    begin += bytes;
  }
  return pieces;
}

void append(Script& script, const Script& more) {
  script.insert(script.end(), more.begin(), more.end());
}

/// Every value inside, the value itself last.
void collect(Json& value, std::vector<Json*>& all) {
  if (value.is_structured()) {
    for (Json& each : value) collect(each, all);
  }
  all.push_back(&value);
}

Json odd_value(std::mt19937_64& random) {
  switch (below(14, random)) {
    case 0: return nullptr;
    case 1: return true;
    case 2: return -1;
    case 3: return 1e300;
    case 4: return "";
    case 5: return "unknown";
    case 6: return Json::array();
    case 7: return Json::object();
    case 8: return Json::array({1, "two", nullptr, Json::object()});
    case 9: return Json{{"type", "function"}};
    case 10: return std::string(5000, 'x');
    case 11: return uint64_t{1} << 63;
    case 12: return Json{{"type", "text"}, {"text", 5}};
    default: return 0.5;
  }
}

}  // namespace

AnswerEvent thinking(const std::string& text) {
  return {.what = TextDelta{.part = TextDelta::Part::kThinking, .text = text, .logprobs = {}}};
}

AnswerEvent text(const std::string& text) {
  return {.what = TextDelta{.part = TextDelta::Part::kAnswer, .text = text, .logprobs = {}}};
}

Script call(int64_t index, const std::string& name, const std::vector<std::string>& arguments) {
  const std::string id = "call_" + std::to_string(index);
  Script script = {{.what = ToolCallBegin{.index = index, .id = id, .name = name}}};
  for (const std::string& each : arguments) {
    script.push_back({.what = ToolCallArguments{.index = index, .text = each}});
  }
  script.push_back({.what = ToolCallEnd{.index = index}});
  return script;
}

Script ending(Reason reason, const std::string& stop) {
  AnswerDone done = {.usage = {}, .thinking_tokens = 3};
  done.usage.prompt_tokens = 12;
  done.usage.cached_tokens = 5;
  done.usage.generated_tokens = 7;
  return {{.what = ChoiceFinished{.reason = reason, .stop_string = stop, .thinking_tokens = 3}},
          {.what = done}};
}

Script answer_of(const std::vector<Script>& parts, Reason reason) {
  Script script = {{.what = AnswerAccepted{.prompt_tokens = 12}},
                   {.what = PromptProgress{.done = 12, .cached = 5}}};
  for (const Script& part : parts) append(script, part);
  append(script, ending(reason));
  return script;
}

Script random_answer(std::mt19937_64& random) {
  Script script = {{.what = AnswerAccepted{.prompt_tokens = 12}}};
  for (size_t i = 0; i < below(3, random); ++i) {
    script.push_back({.what = PromptProgress{.done = 6, .cached = 5}});
  }
  int64_t calls = 0;
  Reason reason = Reason::kEnd;
  for (size_t part = 0; part < below(7, random); ++part) {
    const size_t kind = below(4, random);
    for (size_t i = 0; kind < 3 && i <= below(5, random); ++i) {
      script.push_back(kind == 0 ? thinking(random_text(random)) : text(random_text(random)));
    }
    if (kind == 3) {
      append(script, call(calls++, "read_file", random_arguments(random)));
      reason = Reason::kToolCalls;
    }
  }
  if (below(4, random) == 0) {
    reason = Reason::kLength;
    if (calls > 0 && std::holds_alternative<ToolCallEnd>(script.back().what)) {
      script.resize(script.size() - 2);  // in the middle of the arguments
    }
  }
  append(script, ending(reason));
  return script;
}

std::vector<SseEvent> sse_events(const std::string& stream) {
  std::vector<SseEvent> events;
  std::istringstream lines(stream);
  for (std::string name, data, empty; std::getline(lines, name);) {
    std::getline(lines, data);
    std::getline(lines, empty);
    EXPECT_TRUE(name.starts_with("event: ")) << name;
    EXPECT_TRUE(data.starts_with("data: ")) << data;
    EXPECT_EQ(empty, "");
    if (!name.starts_with("event: ") || !data.starts_with("data: ")) break;
    Json json = Json::parse(data.substr(6), nullptr, false);
    EXPECT_TRUE(json.is_object()) << data;
    if (!json.is_object()) break;
    events.push_back({name.substr(7), std::move(json)});
    EXPECT_EQ(events.back().data.value("type", ""), events.back().name);
  }
  return events;
}

std::vector<std::string> names(const std::vector<SseEvent>& events) {
  std::vector<std::string> all;
  for (const SseEvent& event : events) all.push_back(event.name);
  return all;
}

void damage(Json& body, std::mt19937_64& random) {
  for (size_t i = 0; i <= below(4, random); ++i) {
    std::vector<Json*> all;
    collect(body, all);
    Json& value = *all[below(all.size(), random)];
    const size_t how = below(4, random);
    if (how > 0 && value.is_object() && !value.empty()) {
      auto field = value.begin();
      std::advance(field, below(value.size(), random));
      const Json copy = field.value();
      const std::string key = field.key();
      if (how == 1) value.erase(key);
      if (how == 2) value["x" + key] = copy;
      if (how == 3) value[key] = Json::array({copy, copy});
    } else {
      value = odd_value(random);
    }
  }
}

}  // namespace hearth::testing
