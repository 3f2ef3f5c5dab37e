// The Messages API of Anthropic: what comes in, what goes out, in which order.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "server/routes/messages_request.h"
#include "tests/server/support/dialect_test.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the fixture

/// A question, with reasoning to be shown.
Json question() {
  return {{"model", "claude-x"},
          {"max_tokens", 100},
          {"thinking", {{"type", "adaptive"}}},
          {"messages", {{{"role", "user"}, {"content", "hi"}}}}};
}

class Messages : public DialectTest {
 protected:
  Messages() : DialectTest(messages_route, question()) {}
};

AnswerRequest answer_request(const Json& body) { return messages_request(body, {}).answer; }

ChatInput messages_chat_of(const Json& body) {
  return std::get<ChatInput>(answer_request(body).input);
}

void append(Json& text, const Json& more) {
  text = text.get<std::string>() + more.get<std::string>();
}

/// The message that a client puts together from a stream, by the rules of Anthropic's libraries.
Json rebuilt_message(const std::vector<SseEvent>& events) {
  Json message;
  std::string input;
  for (const SseEvent& event : events) {
    const Json& data = event.data;
    if (event.name == "message_start") message = data["message"];
    if (event.name == "content_block_start") {
      EXPECT_EQ(data["index"], message["content"].size());
      message["content"].push_back(data["content_block"]);
      input.clear();
    }
    if (event.name == "content_block_delta") {
      Json& block = message["content"].at(data["index"].get<size_t>());
      const Json& delta = data["delta"];
      if (delta["type"] == "text_delta") append(block["text"], delta["text"]);
      if (delta["type"] == "thinking_delta") append(block["thinking"], delta["thinking"]);
      if (delta["type"] == "signature_delta") block["signature"] = delta["signature"];
      if (delta["type"] == "input_json_delta") input += delta["partial_json"].get<std::string>();
    }
    if (event.name == "content_block_stop") {
      Json& block = message["content"].at(data["index"].get<size_t>());
      const Json parsed = Json::parse(input, nullptr, false);
      if (block["type"] == "tool_use" && parsed.is_object()) block["input"] = parsed;
    }
    if (event.name == "message_delta") {
      message.update(data["delta"]);
      message["usage"] = data["usage"];
    }
  }
  return message;
}

TEST_F(Messages, StreamReasoningTextAndACallInOrder) {
  const auto events = stream(
      answer_of({{thinking("hm")}, {text("I "), text("look.")}, call(0, "ls", {"{\"p\":", "1}"})},
                Reason::kToolCalls));
  EXPECT_EQ(names(events),
            (Names{"message_start", "content_block_start", "ping", "content_block_delta",
                   "content_block_delta", "content_block_stop", "content_block_start",
                   "content_block_delta", "content_block_delta", "content_block_stop",
                   "content_block_start", "content_block_delta", "content_block_delta",
                   "content_block_stop", "message_delta", "message_stop"}));
  EXPECT_EQ(events[0].data.dump(),
            R"({"type":"message_start","message":{"id":"msg_X","type":"message",)"
            R"("role":"assistant","model":"ember","content":[],"stop_reason":null,)"
            R"("stop_sequence":null,"usage":{"input_tokens":7,"cache_creation_input_tokens":0,)"
            R"("cache_read_input_tokens":5,"output_tokens":0}}})");
  EXPECT_EQ(events[1].data.dump(),
            R"({"type":"content_block_start","index":0,)"
            R"("content_block":{"type":"thinking","thinking":"","signature":""}})");
  EXPECT_EQ(events[3].data.dump(), R"({"type":"content_block_delta","index":0,)"
                                   R"("delta":{"type":"thinking_delta","thinking":"hm"}})");
  EXPECT_EQ(events[4].data["delta"]["type"], "signature_delta");
  EXPECT_EQ(events[7].data.dump(), R"({"type":"content_block_delta","index":1,)"
                                   R"("delta":{"type":"text_delta","text":"I "}})");
  EXPECT_EQ(events[10].data.dump(), R"({"type":"content_block_start","index":2,"content_block":)"
                                    R"({"type":"tool_use","id":"call_0","name":"ls","input":{}}})");
  EXPECT_EQ(events[11].data["delta"].dump(),
            R"({"type":"input_json_delta","partial_json":"{\"p\":"})");
  EXPECT_EQ(events[14].data.dump(),
            R"({"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},)"
            R"("usage":{"input_tokens":7,"cache_creation_input_tokens":0,)"
            R"("cache_read_input_tokens":5,"output_tokens":7}})");
  EXPECT_EQ(events[15].data.dump(), R"({"type":"message_stop"})");
}

TEST_F(Messages, WholeAnswer) {
  const Json message =
      whole(answer_of({{text("Hello")}, call(0, "ls", {"{\"p\":1}"})}, Reason::kToolCalls));
  EXPECT_EQ(message.dump(),
            R"({"id":"msg_X","type":"message","role":"assistant","model":"ember","content":[)"
            R"({"type":"text","text":"Hello"},)"
            R"({"type":"tool_use","id":"call_0","name":"ls","input":{"p":1}}],)"
            R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":7,)"
            R"("cache_creation_input_tokens":0,"cache_read_input_tokens":5,"output_tokens":7}})");
}

TEST_F(Messages, ReasonsToStop) {
  EXPECT_EQ(whole(answer_of({{text("a")}}, Reason::kEnd))["stop_reason"], "end_turn");
  EXPECT_EQ(whole(answer_of({{text("a")}}, Reason::kLength))["stop_reason"], "max_tokens");
  Script stopped = {{.what = AnswerAccepted{.prompt_tokens = 12}}, text("a")};
  for (const AnswerEvent& event : ending(Reason::kStop, "END")) stopped.push_back(event);
  EXPECT_EQ(whole(stopped)["stop_reason"], "stop_sequence");
  EXPECT_EQ(whole(stopped)["stop_sequence"], "END");
  const auto empty = stream(answer_of({}, Reason::kEnd));
  EXPECT_EQ(names(empty), (Names{"message_start", "message_delta", "message_stop"}));
}

TEST_F(Messages, ReasoningIsShownToWhoAsksForIt) {
  const Script script = answer_of({{thinking("secret")}, {text("ok")}}, Reason::kEnd);
  Json body = question();
  EXPECT_EQ(whole(script, body)["content"][0]["thinking"], "secret");
  body.erase("thinking");
  EXPECT_EQ(whole(script, body)["content"].dump(), R"([{"type":"text","text":"ok"}])");
  EXPECT_EQ(service_.requests.back().thinking_budget, 50);  // of max_tokens 100
  EXPECT_EQ(rebuilt_message(stream(script, body))["content"].dump(),
            R"([{"type":"text","text":"ok"}])");
}

TEST_F(Messages, OmittedReasoningComesBackWithTheNextRequest) {
  Json body = question();
  body["thinking"] = {{"type", "adaptive"}, {"display", "omitted"}};
  const Script script = answer_of({{thinking("secret")}, {text("ok")}}, Reason::kEnd);
  const Json content = whole(script, body)["content"];
  EXPECT_EQ(content[0]["thinking"], "");
  body["messages"].push_back({{"role", "assistant"}, {"content", content}});
  body["messages"].push_back({{"role", "user"}, {"content", "more"}});
  EXPECT_EQ(messages_chat_of(body).messages[1].dump(),
            R"({"role":"assistant","content":"ok","reasoning_content":"secret"})");
}

TEST_F(Messages, StreamsAddUpToTheWholeAnswer) {
  std::mt19937_64 random(13);
  const Names views = {"shown", "omitted", "hidden"};
  for (int i = 0; i < 300; ++i) {
    Json body = question();
    body["thinking"]["display"] = views[i % 3];
    if (i % 3 == 2) body.erase("thinking");
    const Script script = random_answer(random);
    EXPECT_EQ(rebuilt_message(stream(script, body)), whole(script, body));
    if (HasFailure()) FAIL() << "script " << i;
  }
}

TEST_F(Messages, AFailureInAStreamIsAnEvent) {
  const auto events = stream({{.what = AnswerAccepted{.prompt_tokens = 1}},
                              text("a"),
                              {.what = AnswerFailed{ApiError(ApiError::Kind::kInternal, "oh")}}});
  EXPECT_EQ(events.back().data.dump(),
            R"({"type":"error","error":{"type":"api_error","message":"oh"}})");
}

TEST_F(Messages, RefusalsHaveAnthropicsForm) {
  service_.script = {{.what = AnswerFailed{ApiError(ApiError::Kind::kContextLength,
                                                    "prompt is too long: 9 tokens > 8 maximum")}}};
  Json body = question();
  body["stream"] = true;
  auto exchange = post(body);
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 400);
  EXPECT_EQ(exchange->response->body,
            R"({"type":"error","error":{"type":"invalid_request_error",)"
            R"("message":"prompt is too long: 9 tokens > 8 maximum"},"request_id":"req_1"})");

  service_.script = {{.what = AnswerFailed{ApiError(ApiError::Kind::kOverloaded, "full")}}};
  exchange = post(body);
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 429);
  EXPECT_EQ(Json::parse(exchange->response->body)["error"]["type"], "rate_limit_error");

  exchange = post(Json::object());
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 400);
  EXPECT_EQ(Json::parse(exchange->response->body)["error"]["message"],
            "messages is missing; it must be an array.");
}

TEST_F(Messages, LongPromptsAreNoSilence) {
  int64_t now = 100;
  settings_.now = [&now] { return now += 25; };
  const AnswerEvent progress = {.what = PromptProgress{.done = 1, .cached = 0}};
  const Names all = names(stream(answer_of({{progress, progress}}, Reason::kEnd)));
  EXPECT_EQ(all, (Names{"message_start", "ping", "ping", "message_delta", "message_stop"}));
}

TEST_F(Messages, CountTokens) {
  Json body = question();
  body.erase("max_tokens");
  const Route route = count_tokens_route(std::make_shared<Api>(service_, settings_));
  EXPECT_EQ(route.path, "/v1/messages/count_tokens");
  const auto ask = [&] { return respond(route, post_request(route.path, body.dump())); };
  EXPECT_EQ(ask().body, R"({"input_tokens":3})");
  service_.prepare_error = ApiError(ApiError::Kind::kInvalid, "no template");
  EXPECT_EQ(ask().status, 400);
  EXPECT_EQ(Json::parse(ask().body)["error"]["message"], "no template");
}

TEST(MessagesRequest, BlocksBecomeMessages) {
  const ChatInput chat = messages_chat_of(Json::parse(R"({"max_tokens": 9,
    "system": [
      {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=ea6aa;"},
      {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
      {"type": "text", "text": "Be brief."}],
    "messages": [
      {"role": "user", "content": [
        {"type": "text", "text": "<system-reminder>today</system-reminder>"},
        {"type": "text", "text": "hi"}]},
      {"role": "system", "content": "Early."},
      {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "hearth:"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "ls", "input": {"p": 1}},
        {"type": "tool_use", "id": "t2", "name": "cat", "input": {}},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]},
      {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": "out"},
        {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": [
          {"type": "text", "text": "a"}, {"type": "image", "source": {}}]},
        {"type": "text", "text": "<system-reminder>todo</system-reminder>"}]},
      {"role": "system", "content": [{"type": "text", "text": "Late."}]},
      {"role": "assistant", "content": "done"},
      {"role": "user", "content": [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "doc"}},
        {"type": "text", "text": "more"}]}]})"));
  Json expected = Json::parse(R"([
    {"role": "system", "content": "You are Claude Code.\n\nBe brief.\n\nEarly."},
    {"role": "user", "content": "<system-reminder>today</system-reminder>\nhi"},
    {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
      {"id": "t1", "type": "function", "function": {"name": "ls", "arguments": {"p": 1}}},
      {"id": "t2", "type": "function", "function": {"name": "cat", "arguments": {}}}]},
    {"role": "tool", "tool_call_id": "t1", "content": "out"},
    {"role": "tool", "tool_call_id": "t2", "content": ""},
    {"role": "assistant", "content": "done"},
    {"role": "user", "content": "doc\nmore"}])");
  expected[4]["content"] =
      "a\n[image: left out, because this model reads text only]\n\n"
      "<system-reminder>todo</system-reminder>\n\n"
      "<system-reminder>\nLate.\n</system-reminder>";
  EXPECT_EQ(chat.messages, expected) << chat.messages.dump(1);
  EXPECT_FALSE(chat.continues_last);
}

TEST(MessagesRequest, BillingHeadersDoNotReachThePrompt) {
  Json body = question();
  for (const std::string checksum : {"fa690", "00000"}) {
    body["system"] = "x-anthropic-billing-header: cch=" + checksum + ";\nYou are.";
    EXPECT_EQ(messages_chat_of(body).messages[0]["content"], "You are.");
    body["system"] = {{{"type", "text"}, {"text", "x-anthropic-billing-header: cch=" + checksum}}};
    EXPECT_EQ(messages_chat_of(body).messages.size(), 1u);
  }
}

TEST(MessagesRequest, AnAnswerThatHasBegunGoesOn) {
  Json body = question();
  body["messages"].push_back({{"role", "assistant"}, {"content", "It is"}});
  const ChatInput chat = messages_chat_of(body);
  EXPECT_TRUE(chat.continues_last);
  EXPECT_EQ(chat.messages.back()["content"], "It is");
}

TEST(MessagesRequest, ToolsAndChoices) {
  Json body = question();
  body["tools"] = Json::parse(R"([
    {"name": "ls", "description": "lists", "input_schema": {"type": "object"}},
    {"type": "custom", "name": "cat", "input_schema": {"type": "object"}},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}])");
  EXPECT_EQ(messages_chat_of(body).tools, Json::parse(R"([
    {"type": "function", "function":
      {"name": "ls", "description": "lists", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "cat", "parameters": {"type": "object"}}}])"));
  const auto choice = [&](const Json& value) {
    body["tool_choice"] = value;
    return answer_request(body).tool_choice;
  };
  EXPECT_EQ(choice({{"type", "auto"}}).mode, ToolChoice::Mode::kAuto);
  EXPECT_EQ(choice({{"type", "any"}}).mode, ToolChoice::Mode::kRequired);
  EXPECT_EQ(choice({{"type", "none"}}).mode, ToolChoice::Mode::kNone);
  EXPECT_EQ(choice({{"type", "tool"}, {"name", "cat"}}).name, "cat");
  EXPECT_TRUE(choice({{"type", "auto"}}).parallel);
  EXPECT_FALSE(choice({{"type", "auto"}, {"disable_parallel_tool_use", true}}).parallel);
}

TEST(MessagesRequest, ThinkingEffortAndFormat) {
  Json body = question();
  body["thinking"] = {{"type", "enabled"}, {"budget_tokens", 2048}};
  body["output_config"] = {{"effort", "low"}};
  EXPECT_EQ(answer_request(body).thinking_budget, 2048);
  body["thinking"] = {{"type", "adaptive"}};
  EXPECT_GT(answer_request(body).thinking_budget.value_or(0), 0);
  body["thinking"] = {{"type", "disabled"}};
  EXPECT_EQ(answer_request(body).thinking_budget, 0);
  body["output_config"]["format"] = {{"type", "json_schema"}, {"schema", {{"type", "array"}}}};
  EXPECT_EQ(answer_request(body).format.source, R"({"type":"array"})");
  body["stop_sequences"] = {"a", "b"};
  EXPECT_EQ(answer_request(body).sampling.stop, (Names{"a", "b"}));
  body["max_tokens"] = 1'000'000;
  EXPECT_EQ(answer_request(body).max_tokens, 1'000'000);
}

TEST(MessagesRequest, SaysWhatIsWrongAndWhere) {
  const auto with = [](const char* key, const Json& value) {
    Json body = question();
    body[key] = value;
    return body;
  };
  const auto saying = [&](const Json& block) {
    return with("messages", Json::array({{{"role", "user"}, {"content", Json::array({block})}}}));
  };
  const std::vector<BadBody> rows = {
      {with("messages", Json::array()), "messages", "messages has no message."},
      {with("messages", "x"), "messages", "messages must be an array, not a string."},
      {with("messages", Json::array({{{"role", "tool"}, {"content", ""}}})), "messages[0].role",
       "messages[0].role must be user, assistant or system, not \"tool\"."},
      {with("messages", Json::array({{{"role", "user"}}})), "messages[0].content",
       "messages[0].content is missing; it must be a string or an array."},
      {saying({{"type", "image"}, {"source", Json::object()}}), "messages[0].content[0].type",
       "messages[0].content[0].type is \"image\", which this model cannot read: send text."},
      {saying({{"type", "tool_result"}, {"content", "x"}}), "messages[0].content[0].tool_use_id",
       "messages[0].content[0].tool_use_id is missing; it must be a string."},
      {with("max_tokens", 0), "max_tokens", "max_tokens must be from 1 to 1000000000, not 0."},
      {with("tools", Json::array({{{"name", "ls"}}})), "tools[0].input_schema",
       "tools[0].input_schema is missing; it must be an object."},
      {with("tool_choice", {{"type", "any"}}), "tool_choice",
       "tool_choice asks for a call, but tools has no function that can be called here."},
      {with("tool_choice", {{"type", "perhaps"}}), "tool_choice.type",
       "tool_choice.type must be auto, any, tool or none, not \"perhaps\"."},
      {with("thinking", {{"type", "deep"}}), "thinking.type",
       "thinking.type must be enabled, adaptive or disabled, not \"deep\"."},
      {with("stop_sequences", {""}), "stop_sequences",
       "stop_sequences must be an array of strings that are not empty."},
      {with("system", 5), "system", "system must be a string, not a number."},
  };
  expect_refused(rows, [](const Json& body) { messages_request(body, {}); });
}

TEST(MessagesRequest, DamagedBodiesAreRefusedOrRead) {
  const Json valid = Json::parse(R"({"model": "m", "max_tokens": 9, "stream": true,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
      {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "", "signature": "hearth:x"},
        {"type": "tool_use", "id": "t", "name": "ls", "input": {"p": [[[]]]}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
        "content": [{"type": "text", "text": "o"}]}]}],
    "tools": [{"name": "ls", "input_schema": {"type": "object"}}, {"type": "bash_20250124"}],
    "tool_choice": {"type": "tool", "name": "ls", "disable_parallel_tool_use": true},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"},
    "output_config": {"effort": "high"}, "context_management": {"edits": []},
    "stop_sequences": ["x"], "temperature": 1, "top_k": 5, "metadata": {"user_id": "u"}})");
  expect_refused_or_read(valid, 17, [](const Json& body) { messages_request(body, {}); });
}

}  // namespace
}  // namespace hearth
