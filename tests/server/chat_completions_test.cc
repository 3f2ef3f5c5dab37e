// Chat Completions: requests understood, answers written, whole and in chunks.
#include <gtest/gtest.h>

#include <sstream>

#include "server/routes/chat_request.h"
#include "tests/server/support/dialect_test.h"
#include "tests/server/support/openai_stream.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the fixture

const char* const kHello = R"("messages": [{"role": "user", "content": "hello"}])";

/// `more` of a body that says hello.
std::string hello(const std::string& more = "") {
  return std::string("{") + kHello + (more.empty() ? "" : ", ") + more + "}";
}

class ChatCompletionsTest : public DialectTest {
 protected:
  ChatCompletionsTest() : DialectTest(chat_completions_route, Json::parse(hello())) {
    service_.script = answer_of({{text("Hi")}}, Reason::kEnd);
  }

  ChatInput chat(const std::string& body) { return std::get<ChatInput>(request(body).input); }
  using DialectTest::whole;
  Json whole() { return whole(hello()); }
};

TEST_F(ChatCompletionsTest, AWholeAnswer) {
  service_.script =
      answer_of({{thinking("Hm. "), thinking("So."), text("Hi "), text("you")}}, Reason::kEnd);
  const auto exchange = ask(hello());
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 200);
  EXPECT_EQ(exchange->response->content_type, "application/json");
  EXPECT_EQ(
      exchange->response->body,
      R"({"id":"chatcmpl-X","object":"chat.completion","created":1700000000,)"
      R"("model":"ember","system_fingerprint":"hearth-1.2","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":"Hi you","reasoning_content":"Hm. So."},)"
      R"("logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,)"
      R"("completion_tokens":7,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":5},)"
      R"("completion_tokens_details":{"reasoning_tokens":3}},"timings":{"cache_n":5,)"
      R"("prompt_n":7,"prompt_ms":0.0,"prompt_per_token_ms":0.0,"prompt_per_second":0.0,)"
      R"("predicted_n":7,"predicted_ms":0.0,"predicted_per_token_ms":0.0,)"
      R"("predicted_per_second":0.0}})");
}

TEST_F(ChatCompletionsTest, TellsWhereAPromptPartedFromAnEarlierOne) {
  EXPECT_FALSE(whole()["timings"].contains("cache_miss"));
  std::get<AnswerDone>(service_.script.back().what).miss = {
      .position = 7, .text = " Tuesday", .remembered = " Monday"};
  EXPECT_EQ(to_text(whole()["timings"]["cache_miss"]),
            R"({"position":7,"token":" Tuesday","remembered":" Monday"})");
}

TEST_F(ChatCompletionsTest, TheServiceLearnsWhoAsks) {
  EXPECT_EQ(request(hello()).client, "127.0.0.1");
}

TEST_F(ChatCompletionsTest, AStreamedAnswer) {
  service_.script = answer_of({{thinking("Hm."), text("Hi")}}, Reason::kLength);
  const auto exchange = ask(hello(R"("stream": true, "stream_options": {"include_usage": true})"));
  ASSERT_TRUE(exchange->head);
  EXPECT_TRUE(exchange->ended);
  const std::string head =
      R"(data: {"id":"chatcmpl-X","object":"chat.completion.chunk","created":1700000000,)"
      R"("model":"ember","system_fingerprint":"hearth-1.2","choices":[)";
  const auto chunk = [&](const std::string& delta, const std::string& reason) {
    return head + R"({"index":0,"delta":)" + delta + R"(,"logprobs":null,"finish_reason":)" +
           reason + "}],\"usage\":null}\n\n";
  };
  EXPECT_EQ(exchange->stream,
            chunk(R"({"role":"assistant","content":""})", "null") +
                chunk(R"({"reasoning_content":"Hm."})", "null") +
                chunk(R"({"content":"Hi"})", "null") + chunk("{}", R"("length")") + head +
                R"(],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19,)"
                R"("prompt_tokens_details":{"cached_tokens":5},)"
                R"("completion_tokens_details":{"reasoning_tokens":3}},"timings":{"cache_n":5,)"
                R"("prompt_n":7,"prompt_ms":0.0,"prompt_per_token_ms":0.0,)"
                R"("prompt_per_second":0.0,"predicted_n":7,"predicted_ms":0.0,)"
                R"("predicted_per_token_ms":0.0,"predicted_per_second":0.0}})"
                "\n\ndata: [DONE]\n\n");
}

TEST_F(ChatCompletionsTest, WithoutUsageTheLastChunkHasTimings) {
  const auto chunks = openai_chunks(ask(hello(R"("stream": true)"))->stream);
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_FALSE(chunks[1].contains("usage"));
  EXPECT_FALSE(chunks[1].contains("timings"));
  EXPECT_EQ(chunks[2]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(chunks[2]["timings"]["predicted_n"], 7);
}

TEST_F(ChatCompletionsTest, ReasoningUnderBothNames) {
  settings_.both_reasoning_fields = true;
  service_.script = answer_of({{thinking("Hm.")}}, Reason::kLength);
  const Json message = whole()["choices"][0]["message"];
  EXPECT_EQ(message["reasoning"], "Hm.");
  EXPECT_EQ(message["reasoning_content"], "Hm.");
  EXPECT_EQ(message["content"], "");
}

TEST_F(ChatCompletionsTest, ToolCalls) {
  service_.script = answer_of({call(0, "look", {"{\"at\":", " 1}"}), call(1, "listen", {"{}"})},
                              Reason::kToolCalls);
  const Json choice = whole()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(to_text(choice["message"]),
            R"({"role":"assistant","content":null,"tool_calls":[{"id":"call_0","type":"function",)"
            R"("function":{"name":"look","arguments":"{\"at\": 1}"}},{"id":"call_1",)"
            R"("type":"function","function":{"name":"listen","arguments":"{}"}}]})");

  std::string deltas;
  for (const Json& chunk : openai_chunks(ask(hello(R"("stream": true)"))->stream)) {
    deltas += to_text(chunk["choices"][0]["delta"]) + "\n";
  }
  EXPECT_EQ(deltas, R"({"role":"assistant","content":""})"
                    "\n"
                    R"({"tool_calls":[{"index":0,"id":"call_0","type":"function",)"
                    R"("function":{"name":"look","arguments":""}}]})"
                    "\n"
                    R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"at\":"}}]})"
                    "\n"
                    R"({"tool_calls":[{"index":0,"function":{"arguments":" 1}"}}]})"
                    "\n"
                    R"({"tool_calls":[{"index":1,"id":"call_1","type":"function",)"
                    R"("function":{"name":"listen","arguments":""}}]})"
                    "\n"
                    R"({"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]})"
                    "\n{}\n");
}

TEST_F(ChatCompletionsTest, LogprobsHaveBytes) {
  AnswerEvent event = text("€");
  std::get<TextDelta>(event.what).logprobs = {
      {.chosen = {.token = 1, .logprob = -0.5, .bytes = "\xe2\x82"},
       .top = {{.token = 2, .logprob = -0.25, .bytes = "a"},
               {.token = 3, .logprob = -std::numeric_limits<double>::infinity(), .bytes = "b"}}},
      {.chosen = {.token = 4, .logprob = -1.5, .bytes = "\xac"}, .top = {}}};
  service_.script = answer_of({{event}}, Reason::kEnd);
  const std::string expected =
      R"({"content":[{"token":"�","logprob":-0.5,"bytes":[226,130],"top_logprobs":[{"token":"a",)"
      R"("logprob":-0.25,"bytes":[97]},{"token":"b","logprob":-9999.0,"bytes":[98]}]},)"
      R"({"token":"�","logprob":-1.5,"bytes":[172],"top_logprobs":[]}],"refusal":null})";
  const std::string wish = R"("logprobs": true, "top_logprobs": 2)";
  EXPECT_EQ(to_text(whole(hello(wish))["choices"][0]["logprobs"]), expected);
  const auto chunks = openai_chunks(ask(hello(wish + R"(, "stream": true)"))->stream);
  EXPECT_EQ(to_text(chunks.at(1)["choices"][0]["logprobs"]), expected);
  EXPECT_EQ(whole()["choices"][0]["logprobs"], nullptr) << "not asked for";
}

TEST_F(ChatCompletionsTest, SeveralChoices) {
  service_.script = {{.what = AnswerAccepted{.prompt_tokens = 3}}};
  for (const int64_t choice : {1, 0}) {
    AnswerEvent said = text("choice " + std::to_string(choice));
    said.choice = choice;
    service_.script.push_back(said);
  }
  for (const int64_t choice : {1, 0}) {
    service_.script.push_back({.choice = choice, .what = ChoiceFinished{Reason::kEnd, "", 0}});
  }
  AnswerDone done;
  done.usage.prompt_tokens = 6;
  done.usage.cached_tokens = 2;
  done.usage.generated_tokens = 8;
  service_.script.push_back({.what = done});

  const Json answer = whole(hello(R"("n": 2)"));
  EXPECT_EQ(service_.requests.back().choices, 2);
  ASSERT_EQ(answer["choices"].size(), 2u);
  EXPECT_EQ(answer["choices"][1]["message"]["content"], "choice 1");
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 3) << "once";
  EXPECT_EQ(answer["usage"]["completion_tokens"], 8);

  const auto chunks = openai_chunks(ask(hello(R"("n": 2, "stream": true)"))->stream);
  std::string order;
  for (const Json& chunk : chunks) {
    const Json& choice = chunk["choices"][0];
    order += std::to_string(choice["index"].get<int>()) + to_text(choice["finish_reason"]) + " ";
  }
  EXPECT_EQ(order, "0null 1null 1null 0null 1\"stop\" 0\"stop\" ");
}

TEST_F(ChatCompletionsTest, ProgressWhereItIsAskedFor) {
  service_.script = answer_of({{text("Hi")}}, Reason::kEnd);
  const auto chunks =
      openai_chunks(ask(hello(R"("stream": true, "return_progress": true)"))->stream);
  EXPECT_EQ(chunks.at(1)["prompt_progress"]["total"], 12);
  EXPECT_EQ(chunks.at(1)["prompt_progress"]["processed"], 12);
  EXPECT_EQ(chunks.at(1)["prompt_progress"]["cache"], 5);
}

TEST_F(ChatCompletionsTest, AnErrorBeforeTheAnswer) {
  service_.script = {{.what = AnswerFailed{ApiError(ApiError::Kind::kContextLength,
                                                    "prompt is too long: 9 tokens > 8 maximum")}}};
  for (const char* more : {"\"stream\": true", "\"stream\": false"}) {
    const auto exchange = ask(hello(more));
    ASSERT_TRUE(exchange->response);
    EXPECT_EQ(exchange->response->status, 400);
    EXPECT_EQ(exchange->response->body,
              R"({"error":{"message":"prompt is too long: 9 tokens > 8 maximum",)"
              R"("type":"invalid_request_error","param":null,"code":"context_length_exceeded"}})");
    EXPECT_EQ(exchange->response->headers, (HttpHeaders{{"x-should-retry", "false"}}));
  }
}

TEST_F(ChatCompletionsTest, AFullQueue) {
  service_.script = {{.what = AnswerFailed{ApiError(ApiError::Kind::kOverloaded, "full")}}};
  const auto exchange = ask(hello());
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 429);
  EXPECT_EQ(exchange->response->headers, (HttpHeaders{{"Retry-After", "1"}}));
  EXPECT_EQ(exchange->response->body,
            R"({"error":{"message":"full","type":"rate_limit_error","param":null,)"
            R"("code":"overloaded"}})");
}

TEST_F(ChatCompletionsTest, AnErrorWithinTheAnswer) {
  service_.script = {{.what = AnswerAccepted{.prompt_tokens = 1}},
                     text("Hi"),
                     {.what = AnswerFailed{ApiError(ApiError::Kind::kInternal, "broken")}}};
  const auto exchange = ask(hello(R"("stream": true)"));
  EXPECT_TRUE(exchange->stream.ends_with(
      "data: {\"error\":{\"message\":\"broken\",\"type\":\"server_error\",\"param\":null,"
      "\"code\":\"internal_error\"}}\n\ndata: [DONE]\n\n"))
      << exchange->stream;
  EXPECT_TRUE(exchange->ended);
  EXPECT_EQ(ask(hello())->response->status, 500);
}

/// What a client that collects the chunks of a stream has in the end.
Json collected(const std::vector<Json>& chunks) {
  Json message = {{"role", ""}, {"content", nullptr}};
  Json reason;
  const auto append = [](Json& to, const Json& more) {
    to = (to.is_string() ? to.get<std::string>() : "") + more.get<std::string>();
  };
  for (const Json& chunk : chunks) {
    if (chunk["choices"].empty()) continue;
    const Json& choice = chunk["choices"][0];
    for (const auto& [key, value] : choice["delta"].items()) {
      if (key != "tool_calls") {
        append(message[key], value);
        continue;
      }
      Json& calls = message["tool_calls"];
      const auto index = value[0]["index"].get<size_t>();
      if (value[0].contains("id")) {
        EXPECT_EQ(index, calls.size());
        calls.push_back({{"id", value[0]["id"]},
                         {"type", value[0]["type"]},
                         {"function", value[0]["function"]}});
      } else {
        append(calls.at(index)["function"]["arguments"], value[0]["function"]["arguments"]);
      }
    }
    if (!choice["finish_reason"].is_null()) reason = choice["finish_reason"];
  }
  if (message["content"] == "" && message.contains("tool_calls")) message["content"] = nullptr;
  return {{"message", message}, {"finish_reason", reason}};
}

TEST_F(ChatCompletionsTest, DeltasAddUpToTheMessage) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 500; ++i) {
    service_.script = random_answer(random);
    Json choice = whole()["choices"][0];
    choice.erase("index");
    choice.erase("logprobs");
    const Json streamed = collected(openai_chunks(ask(hello(R"("stream": true)"))->stream));
    // Keys come in the order in which their first text came.
    EXPECT_EQ(nlohmann::json(streamed), nlohmann::json(choice));
  }
}

TEST_F(ChatCompletionsTest, DamagedBodiesAreAnsweredOrRefused) {
  const Json body = Json::parse(
      hello(R"("tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
               "tool_choice": {"type": "function", "function": {"name": "f"}}, "n": 1,
               "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
               "stop": ["a", "b"], "seed": 1, "logit_bias": {"5": 1}, "max_tokens": 5,
               "temperature": 0.5, "chat_template_kwargs": {"a": [1]}, "logprobs": true,
               "top_logprobs": 3, "stream": true, "stream_options": {"include_usage": true},
               "reasoning": {"effort": "low", "max_tokens": 9}, "thinking": {"type": "enabled"},
               "structured_outputs": null)"));
  expect_answered_or_refused(body, 11);
}

TEST_F(ChatCompletionsTest, MessagesAsATemplateWantsThem) {
  const ChatInput input = chat(R"({"messages": [
      {"role": "user", "content": [{"type": "text", "text": "one"},
                                   {"type": "text", "text": "two"}]},
      {"role": "developer", "content": "be brief"},
      {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
         {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": [1]}"}},
         {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
         {"id": "c3", "type": "function", "function": {"name": "h", "arguments": "{\"cut"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "result", "unknown": 5},
      {"role": "system", "content": "be kind"},
      {"role": "user", "content": "three"}]})");
  EXPECT_EQ(to_text(input.messages),
            R"([{"role":"system","content":"be brief\n\nbe kind"},)"
            R"({"role":"user","content":"one\ntwo"},)"
            R"({"role":"assistant","content":"","reasoning_content":"hm","tool_calls":[)"
            R"({"type":"function","function":{"name":"f","arguments":{"x":[1]}},"id":"c1"},)"
            R"({"type":"function","function":{"name":"g","arguments":{}},"id":"c2"},)"
            R"({"type":"function","function":{"name":"h","arguments":{"arguments":"{\"cut"}},)"
            R"("id":"c3"}]},)"
            R"({"role":"tool","content":"result","tool_call_id":"c1"},)"
            R"({"role":"user","content":"three"}])");
  EXPECT_FALSE(input.continues_last);
}

TEST_F(ChatCompletionsTest, AnswersThatGoOn) {
  const std::string messages =
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])";
  EXPECT_TRUE(chat(messages + "}").continues_last);
  EXPECT_TRUE(chat(messages + R"(, "continue_final_message": true})").continues_last);
  EXPECT_FALSE(chat(messages + R"(, "continue_final_message": false})").continues_last);
  EXPECT_FALSE(chat(messages + R"(, "add_generation_prompt": true})").continues_last);
  EXPECT_EQ(refusal(hello(R"("continue_final_message": true)")),
            "continue_final_message: continue_final_message wants a last message of the assistant "
            "without tool calls.");
}

TEST_F(ChatCompletionsTest, SamplingAndLengths) {
  service_.sampling.temperature = 0.7;
  const AnswerRequest plain = request(hello());
  EXPECT_EQ(plain.sampling.temperature, 0.7);
  EXPECT_FALSE(plain.max_tokens);
  EXPECT_FALSE(plain.top_logprobs);
  EXPECT_TRUE(plain.ends_at_end_token);
  EXPECT_NE(plain.sampling.seed, request(hello()).sampling.seed) << "random";

  const AnswerRequest full =
      request(hello(R"("temperature": 0, "top_p": 0.5, "seed": 3, "stop": "x", "max_tokens": 9,
               "max_completion_tokens": 5, "presence_penalty": 1, "repeat_penalty": 1.1,
               "logit_bias": {"7": -100}, "logprobs": true, "top_logprobs": 4, "n": 3,
               "ignore_eos": true, "priority": 2)"));
  EXPECT_EQ(full.sampling.temperature, 0);
  EXPECT_EQ(full.sampling.top_p, 0.5);
  EXPECT_EQ(full.sampling.seed, 3u);
  EXPECT_EQ(full.sampling.stop, std::vector<std::string>{"x"});
  EXPECT_EQ(full.sampling.repetition_penalty, 1.1);
  EXPECT_EQ(full.sampling.logit_bias, (std::vector<LogitBias>{{7, -100}}));
  EXPECT_EQ(full.max_tokens, 5);
  EXPECT_EQ(full.top_logprobs, 4);
  EXPECT_EQ(full.choices, 3);
  EXPECT_FALSE(full.ends_at_end_token);
  EXPECT_EQ(full.priority, 2);
  EXPECT_FALSE(request(hello(R"("max_tokens": -1)")).max_tokens);
  EXPECT_EQ(request(hello(R"("seed": -2)")).sampling.seed, uint64_t(-2));
  EXPECT_EQ(request(hello(R"("logprobs": true)")).top_logprobs, 0);
}

TEST_F(ChatCompletionsTest, Reasoning) {
  const auto arguments = [&](const std::string& more) {
    return to_text(chat(hello(more)).template_arguments);
  };
  const auto budget = [&](const std::string& more) {
    return request(hello(more)).thinking_budget.value_or(-1);
  };
  EXPECT_EQ(arguments(R"("enable_thinking": false)"), R"({"enable_thinking":false})");
  EXPECT_EQ(arguments(R"("chat_template_kwargs": {"enable_thinking": true, "x": 1})"),
            R"({"enable_thinking":true,"x":1})");
  EXPECT_EQ(arguments(R"("reasoning_effort": "high")"), R"({"reasoning_effort":"high"})");
  EXPECT_EQ(arguments(R"("thinking": {"type": "disabled"})"), R"({"enable_thinking":false})");
  EXPECT_EQ(budget(""), -1);
  for (const char* off :
       {R"("enable_thinking": false)", R"("reasoning_effort": "none")",
        R"("chat_template_kwargs": {"enable_thinking": false})",
        R"("thinking": {"type": "disabled"})", R"("reasoning": {"enabled": false})"}) {
    EXPECT_EQ(budget(off), 0) << off;
  }
  for (const char* key : {"thinking_budget", "thinking_budget_tokens", "thinking_token_budget",
                          "reasoning_budget", "reasoning_budget_tokens"}) {
    EXPECT_EQ(budget("\"" + std::string(key) + "\": 77"), 77);
    EXPECT_EQ(budget("\"" + std::string(key) + "\": -1"), -1);
  }
  EXPECT_EQ(budget(R"("thinking": {"type": "enabled", "budget_tokens": 88})"), 88);
  EXPECT_EQ(budget(R"("reasoning": {"max_tokens": 99})"), 99);
  EXPECT_GT(budget(R"("reasoning_effort": "low")"), 0);
}

TEST_F(ChatCompletionsTest, Formats) {
  using Kind = AnswerFormat::Kind;
  const auto format = [&](const std::string& more) { return request(hello(more)).format; };
  EXPECT_EQ(format(R"("response_format": {"type": "text"})").kind, Kind::kText);
  EXPECT_EQ(format(R"("response_format": {"type": "json_object"})").kind, Kind::kJsonObject);
  for (const char* more :
       {R"("response_format": {"type": "json_schema", "json_schema": {"schema": {"a": 1}}})",
        R"("response_format": {"type": "json_schema", "schema": {"a": 1}})",
        R"("response_format": {"type": "json_object", "schema": {"a": 1}})",
        R"("json_schema": {"a": 1})", R"("guided_json": {"a": 1})",
        R"("guided_json": "{\"a\": 1}")",
        R"("structured_outputs": {"json": {"a": 1}}, "response_format": {"type": "text"})"}) {
    EXPECT_EQ(format(more).kind, Kind::kJsonSchema) << more;
    EXPECT_EQ(format(more).source, R"({"a":1})") << more;
  }
  EXPECT_EQ(format(R"("guided_regex": "a+")").kind, Kind::kRegex);
  EXPECT_EQ(format(R"("structured_outputs": {"grammar": "start: A"})").kind, Kind::kLark);
}

TEST_F(ChatCompletionsTest, Tools) {
  const std::string tools =
      R"("tools": [{"type": "function", "function": {"name": "f", "description": "d",
         "parameters": {"type": "object"}, "strict": true}}, {"function": {"name": "g"}}])";
  EXPECT_EQ(to_text(chat(hello(tools)).tools),
            R"([{"type":"function","function":{"name":"f","description":"d",)"
            R"("parameters":{"type":"object"}}},{"type":"function","function":{"name":"g",)"
            R"("parameters":{"type":"object","properties":{}}}}])");
  const auto choice = [&](const std::string& more) {
    return request(hello(tools + more)).tool_choice;
  };
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(choice("").mode, Mode::kAuto);
  EXPECT_TRUE(choice("").parallel);
  EXPECT_FALSE(choice(R"(, "parallel_tool_calls": false)").parallel);
  EXPECT_EQ(choice(R"(, "tool_choice": "none")").mode, Mode::kNone);
  EXPECT_EQ(choice(R"(, "tool_choice": "required")").mode, Mode::kRequired);
  const ToolChoice named =
      choice(R"(, "tool_choice": {"type": "function", "function": {"name": "g"}})");
  EXPECT_EQ(named.mode, Mode::kNamed);
  EXPECT_EQ(named.name, "g");
}

struct BadChat {
  const char* body;      // of hello(), unless it begins with a brace
  const char* expected;  // a part of "PARAM: MESSAGE"
};

class BadChatTest : public ChatCompletionsTest, public ::testing::WithParamInterface<BadChat> {};

TEST_P(BadChatTest, IsRefusedByName) {
  const std::string body = GetParam().body;
  const std::string found = refusal(body.starts_with("{") ? body : hello(body));
  EXPECT_NE(found.find(GetParam().expected), found.npos) << found;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadChatTest,
    ::testing::Values(
        BadChat{"{", ": The body is not acceptable JSON"},
        BadChat{"{}", "messages: messages is missing"},
        BadChat{R"({"messages": []})", "messages: messages is missing"},
        BadChat{R"({"messages": "hello"})", "messages: messages must be an array, not a string."},
        BadChat{R"({"messages": ["hello"]})", "messages[0]: messages[0] must be an object"},
        BadChat{R"({"messages": [{"content": "a"}]})", "messages[0].role: "},
        BadChat{R"({"messages": [{"role": "boss", "content": "a"}]})",
                "messages[0].role must be system, developer, user, assistant or tool"},
        BadChat{R"({"messages": [{"role": "user"}]})", "messages[0].content is missing"},
        BadChat{R"({"messages": [{"role": "user", "content": 5}]})",
                "messages[0].content must be a string or an array of text parts, not a number."},
        BadChat{R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
                "messages[0].content[0].type is \"image_url\", which this model cannot read"},
        BadChat{R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})",
                "messages[0].content[0].text is missing"},
        BadChat{R"({"messages": [{"role": "assistant", "tool_calls": [{}]}]})",
                "messages[0].tool_calls[0].function is missing"},
        BadChat{R"("temperature": 101)", "temperature: temperature is 101"},
        BadChat{R"("temperature": "hot")", "temperature: "}, BadChat{R"("top_p": 0)", "top_p: "},
        BadChat{R"("seed": 0.5)", "seed: "}, BadChat{R"("stop": [""])", "stop: "},
        BadChat{R"("stop": [".",".",".",".",".",".",".",".",".",".",".",".",".",".",".",".","."])",
                "stop: stop has 17 entries; at most 16 are allowed."},
        BadChat{R"("n": 17)", "n: n must be from 1 to 16, not 17."}, BadChat{R"("n": 0)", "n: "},
        BadChat{R"("max_tokens": 0)", "max_tokens: "},
        BadChat{R"("max_tokens": -2)", "max_tokens: "},
        BadChat{R"("logit_bias": {"x": 1})", "logit_bias: "},
        BadChat{R"("top_logprobs": 3)",
                "top_logprobs: top_logprobs is only allowed where logprobs"},
        BadChat{R"("logprobs": true, "top_logprobs": 21)", "top_logprobs: "},
        BadChat{R"("stream": "yes")", "stream: stream must be a boolean"},
        BadChat{R"("stream_options": {"include_usage": true})", "stream_options: "},
        BadChat{R"("tools": [{"type": "web_search"}])", "tools[0].type: "},
        BadChat{R"("tools": [{"type": "function", "function": {"name": ""}}])",
                "tools[0].function.name: "},
        BadChat{R"("tools": [{"function": {"name": "f"}}, {"function": {"name": "f"}}])",
                "tools[1].function.name: "},
        BadChat{R"("tool_choice": "required")", "tool_choice: "},
        BadChat{R"("tool_choice": "perhaps")", "tool_choice: "},
        BadChat{R"("tool_choice": {"type": "function", "function": {"name": "f"}})",
                "tool_choice: "},
        BadChat{R"("functions": [])", "functions: "},
        BadChat{R"("response_format": {"type": "xml"})", "response_format.type: "},
        BadChat{R"("response_format": {"type": "json_schema"})", "response_format.json_schema: "},
        BadChat{R"("response_format": {"type": "json_schema", "json_schema": {"schema": 5}})",
                "response_format.json_schema.schema: "},
        BadChat{R"("response_format": {"type": "json_object"}, "guided_regex": "a")",
                "response_format: "},
        BadChat{R"("grammar": "root ::= x")", "grammar: "},
        BadChat{R"("reasoning_effort": "huge")", "reasoning_effort: "},
        BadChat{R"("reasoning": {"effort": "huge"})", "reasoning.effort: "},
        BadChat{R"("thinking_budget": -2)", "thinking_budget: "},
        BadChat{R"("chat_template_kwargs": {"messages": 1})", "chat_template_kwargs.messages: "},
        BadChat{R"("chat_template_kwargs": 5)", "chat_template_kwargs: "}));

TEST_F(ChatCompletionsTest, LimitsOfSizes) {
  std::string tools;
  for (int i = 0; i < 257; ++i) {
    tools += R"({"function": {"name": "f)" + std::to_string(i) + "\"}},";
  }
  tools.pop_back();
  EXPECT_EQ(refusal(hello("\"tools\": [" + tools + "]")),
            "tools: tools has 257 entries; at most 256 are allowed.");
  const std::string large(300'000, 'x');
  EXPECT_NE(refusal(hello(R"("json_schema": {"a": ")" + large + "\"}")).find("json_schema: "),
            std::string::npos);
  EXPECT_NE(refusal(hello(R"("chat_template_kwargs": {"a": ")" + large + "\"}"))
                .find("chat_template_kwargs: "),
            std::string::npos);
}

}  // namespace
}  // namespace hearth
