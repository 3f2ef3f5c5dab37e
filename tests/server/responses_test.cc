// The Responses API of OpenAI: what comes in, what goes out, in which order.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "server/routes/responses_request.h"
#include "tests/server/support/dialect_test.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the fixture

class Responses : public DialectTest {
 protected:
  Responses() : DialectTest(responses_route, {{"input", "hi"}}) {}
};

ChatInput chat_of(const Json& body) {
  return std::get<ChatInput>(responses_request(body, {}).answer.input);
}

/// The output that a client puts together from a stream, by the rules of OpenAI's libraries.
Json rebuilt(const std::vector<SseEvent>& events) {
  Json output = Json::array();
  for (const SseEvent& event : events) {
    const std::string& name = event.name;
    if (name == "response.output_item.added") {
      EXPECT_EQ(event.data["output_index"], output.size());
      output.push_back(event.data["item"]);
    }
    if (!event.data.contains("output_index")) continue;
    Json& item = output.at(event.data["output_index"].get<size_t>());
    EXPECT_EQ(event.data.value("item_id", item["id"]), item["id"]);
    if (name == "response.content_part.added") item["content"].push_back(event.data["part"]);
    if (name == "response.output_text.delta" || name == "response.reasoning_text.delta") {
      Json& text = item["content"].at(event.data["content_index"].get<size_t>())["text"];
      text = text.get<std::string>() + event.data["delta"].get<std::string>();
    }
    if (name == "response.output_text.delta") {
      for (const Json& place : event.data["logprobs"]) item["content"][0]["logprobs"] += place;
    }
    if (name == "response.function_call_arguments.delta") {
      item["arguments"] =
          item["arguments"].get<std::string>() + event.data["delta"].get<std::string>();
    }
    if (name == "response.output_item.done") {
      item["status"] = event.data["item"]["status"];
      EXPECT_EQ(item, event.data["item"]);
    }
  }
  return output;
}

TEST_F(Responses, StreamATextInOrder) {
  const auto events = stream(answer_of({{text("Hel"), text("lo")}}, Reason::kEnd));
  EXPECT_EQ(names(events), (Names{"response.created", "response.in_progress",
                                  "response.output_item.added", "response.content_part.added",
                                  "response.output_text.delta", "response.output_text.delta",
                                  "response.output_text.done", "response.content_part.done",
                                  "response.output_item.done", "response.completed"}));
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].data["sequence_number"], i);
  EXPECT_EQ(events[0].data["response"]["id"], "resp_X");
  EXPECT_EQ(events[0].data["response"]["status"], "in_progress");
  EXPECT_EQ(events[0].data["response"]["usage"], nullptr);
  EXPECT_EQ(events[4].data.dump(),
            R"({"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_X_0",)"
            R"("output_index":0,"content_index":0,"delta":"Hel","logprobs":[]})");
  EXPECT_EQ(events[6].data["text"], "Hello");
  EXPECT_EQ(events[8].data["item"].dump(),
            R"({"id":"msg_X_0","type":"message","status":"completed","role":"assistant",)"
            R"("content":[{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}]})");
  EXPECT_EQ(events[9].data["response"]["usage"].dump(),
            R"({"input_tokens":12,"input_tokens_details":{"cached_tokens":5},"output_tokens":7,)"
            R"("output_tokens_details":{"reasoning_tokens":3},"total_tokens":19})");
}

TEST_F(Responses, StreamReasoningTextAndCallsInOrder) {
  const auto events = stream(answer_of({{thinking("hm")},
                                        {text("I look.")},
                                        call(0, "ls", {"{\"p\":", "1}"}),
                                        call(1, "cat", {"{}"})},
                                       Reason::kToolCalls));
  EXPECT_EQ(names(events), (Names{"response.created",
                                  "response.in_progress",
                                  "response.output_item.added",
                                  "response.content_part.added",
                                  "response.reasoning_text.delta",
                                  "response.reasoning_text.done",
                                  "response.content_part.done",
                                  "response.output_item.done",
                                  "response.output_item.added",
                                  "response.content_part.added",
                                  "response.output_text.delta",
                                  "response.output_text.done",
                                  "response.content_part.done",
                                  "response.output_item.done",
                                  "response.output_item.added",
                                  "response.function_call_arguments.delta",
                                  "response.function_call_arguments.delta",
                                  "response.function_call_arguments.done",
                                  "response.output_item.done",
                                  "response.output_item.added",
                                  "response.function_call_arguments.delta",
                                  "response.function_call_arguments.done",
                                  "response.output_item.done",
                                  "response.completed"}));
  EXPECT_EQ(events[7].data["item"].dump(),
            R"({"id":"rs_X_0","type":"reasoning","status":"completed","summary":[],)"
            R"("content":[{"type":"reasoning_text","text":"hm"}]})");
  EXPECT_EQ(events[14].data["item"].dump(),
            R"({"id":"fc_X_2","type":"function_call","status":"in_progress","call_id":"call_0",)"
            R"("name":"ls","arguments":""})");
  EXPECT_EQ(events[17].data["arguments"], "{\"p\":1}");
  EXPECT_EQ(events[17].data["name"], "ls");
}

TEST_F(Responses, LogprobsWhereTheyAreAskedFor) {
  const auto with = [](AnswerEvent event, const std::string& bytes) {
    PlaceLogprobs place;
    place.chosen = {.token = 1, .logprob = -0.5, .bytes = bytes};
    place.top.push_back({.token = 2, .logprob = -0.25, .bytes = "a"});
    std::get<TextDelta>(event.what).logprobs.push_back(place);
    return event;
  };
  const std::string first = R"({"token":"Hi","logprob":-0.5,"bytes":[72,105],)"
                            R"("top_logprobs":[{"token":"a","logprob":-0.25,"bytes":[97]}]})";
  const std::string last = R"({"token":"","logprob":-0.5,"bytes":[],)"
                           R"("top_logprobs":[{"token":"a","logprob":-0.25,"bytes":[97]}]})";
  const Script script = answer_of(
      {{with(thinking("hm"), "hm"), with(text("Hi"), "Hi"), with(text(""), "")}}, Reason::kEnd);
  const Json wish = {
      {"input", "hi"}, {"top_logprobs", 1}, {"include", {"message.output_text.logprobs"}}};
  const auto events = stream(script, wish);
  EXPECT_EQ(service_.requests.back().top_logprobs, 1);
  std::string deltas;
  for (const SseEvent& event : events) {
    if (event.name == "response.output_text.delta") deltas += event.data["logprobs"].dump();
    if (event.name == "response.output_text.done") deltas += event.data["logprobs"].dump();
  }
  EXPECT_EQ(deltas, "[" + first + "][" + last + "][" + first + "," + last + "]");
  const Json object = whole(script, wish);
  EXPECT_EQ(object["output"][1]["content"][0]["logprobs"].dump(), "[" + first + "," + last + "]");
  EXPECT_EQ(object["top_logprobs"], 1);
  EXPECT_EQ(rebuilt(events), object["output"]);

  whole(script, {{"input", "hi"}, {"include", {"message.output_text.logprobs"}}});
  EXPECT_EQ(service_.requests.back().top_logprobs, 0);
  whole(script, {{"input", "hi"}, {"top_logprobs", 3}});
  EXPECT_EQ(service_.requests.back().top_logprobs, 3);
  whole(script, {{"input", "hi"}, {"top_logprobs", 0}});
  EXPECT_EQ(service_.requests.back().top_logprobs, std::nullopt);
}

TEST_F(Responses, ObjectRepeatsTheRequest) {
  const Json object =
      whole(answer_of({{text("ok")}}, Reason::kEnd), {{"input", "hi"},
                                                      {"instructions", "Be brief."},
                                                      {"metadata", {{"k", "v"}}},
                                                      {"temperature", 0.25},
                                                      {"store", false},
                                                      {"max_output_tokens", 50},
                                                      {"prompt_cache_key", "abc"},
                                                      {"parallel_tool_calls", false}});
  EXPECT_EQ(object["object"], "response");
  EXPECT_EQ(object["status"], "completed");
  EXPECT_EQ(object["model"], "ember");
  EXPECT_EQ(object["created_at"], 1700000000);
  EXPECT_EQ(object["completed_at"], 1700000000);
  EXPECT_EQ(object["error"], nullptr);
  EXPECT_EQ(object["instructions"], "Be brief.");
  EXPECT_EQ(object["metadata"]["k"], "v");
  EXPECT_EQ(object["temperature"], 0.25);
  EXPECT_EQ(object["store"], false);
  EXPECT_EQ(object["max_output_tokens"], 50);
  EXPECT_EQ(object["prompt_cache_key"], "abc");
  EXPECT_EQ(object["parallel_tool_calls"], false);
  EXPECT_EQ(object["output"][0]["content"][0]["text"], "ok");
  EXPECT_EQ(service_.requests.at(0).max_tokens, 50);
  EXPECT_EQ(service_.requests.at(0).sampling.temperature, 0.25);
}

TEST_F(Responses, AnAnswerThatIsCutIsIncomplete) {
  Script cut_call = call(0, "ls", {"{\"p\":"});
  cut_call.pop_back();
  const auto events = stream(answer_of({{text("par")}, cut_call}, Reason::kLength));
  EXPECT_EQ(events.back().name, "response.incomplete");
  const Json& response = events.back().data["response"];
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["output"][0]["status"], "completed");
  EXPECT_EQ(response["output"][1]["status"], "incomplete");
  EXPECT_EQ(response["output"][1]["arguments"], "{\"p\":");
  EXPECT_EQ(events[events.size() - 2].name, "response.output_item.done");
}

TEST_F(Responses, AFailureInAStreamEndsIt) {
  const auto events = stream({{.what = AnswerAccepted{.prompt_tokens = 1}},
                              text("a"),
                              {.what = AnswerFailed{ApiError(ApiError::Kind::kInternal, "oh")}}});
  EXPECT_EQ(events.back().name, "response.failed");
  EXPECT_EQ(events.back().data["response"]["status"], "failed");
  EXPECT_EQ(events.back().data["response"]["error"].dump(),
            R"({"code":"server_error","message":"oh"})");
  EXPECT_EQ(events.back().data["response"]["output"][0]["status"], "incomplete");
}

TEST_F(Responses, APromptThatIsTooLongIsSaidInTheStream) {
  const ApiError error(ApiError::Kind::kContextLength, "prompt is too long: 9 tokens > 8 maximum");
  service_.script = {{.what = AnswerFailed{error}}};
  const auto exchange = post({{"input", "hi"}, {"stream", true}});
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 200);
  EXPECT_EQ(exchange->response->content_type, "text/event-stream");
  const auto events = sse_events(exchange->response->body);
  EXPECT_EQ(names(events), (Names{"response.created", "response.in_progress", "response.failed"}));
  EXPECT_EQ(events[2].data["response"]["error"]["code"], "context_length_exceeded");

  const auto plain = post({{"input", "hi"}});
  ASSERT_TRUE(plain->response);
  EXPECT_EQ(plain->response->status, 400);
  const Json body = Json::parse(plain->response->body);
  EXPECT_EQ(body["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(body["error"]["message"], error.what());
}

TEST_F(Responses, AFullQueueIs429AlsoForStreams) {
  service_.script = {{.what = AnswerFailed{ApiError(ApiError::Kind::kOverloaded, "full")}}};
  const auto exchange = post({{"input", "hi"}, {"stream", true}});
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 429);
  EXPECT_EQ(Json::parse(exchange->response->body)["error"]["message"], "full");
}

TEST_F(Responses, AClientThatGoesCancelsItsRequest) {
  service_.waits = true;
  const auto exchange = post({{"input", "hi"}, {"stream", true}});
  exchange->go();
  EXPECT_EQ(service_.cancelled, std::vector<AnswerId>{1});
}

TEST_F(Responses, LongPromptsAreNoSilence) {
  int64_t now = 100;
  settings_.now = [&now] { return now += 15; };
  const AnswerEvent progress = {.what = PromptProgress{.done = 1, .cached = 0}};
  const auto events = stream(answer_of({{progress, progress, progress}}, Reason::kEnd));
  const Names all = names(events);
  EXPECT_EQ(std::count(all.begin(), all.end(), "response.in_progress"), 3);
}

TEST_F(Responses, StreamsAddUpToTheWholeAnswer) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    const Script script = random_answer(random);
    const auto events = stream(script);
    const Json object = whole(script);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().data["response"], object);
    EXPECT_EQ(rebuilt(events), object["output"]);
    for (size_t k = 0; k < events.size(); ++k) EXPECT_EQ(events[k].data["sequence_number"], k);
    if (HasFailure()) FAIL() << "script " << i;
  }
}

TEST_F(Responses, ReasoningComesBackWithTheNextRequest) {
  const Json object = whole(answer_of({{thinking("first this")}, {text("ok")}}, Reason::kEnd),
                            {{"input", "hi"}, {"include", {"reasoning.encrypted_content"}}});
  Json reasoning = object["output"][0];
  ASSERT_TRUE(reasoning.contains("encrypted_content"));
  reasoning.erase("content");  // as Codex sends it
  const ChatInput chat =
      chat_of({{"input", {{{"role", "user"}, {"content", "hi"}}, reasoning, object["output"][1]}}});
  ASSERT_EQ(chat.messages.size(), 2u);
  EXPECT_EQ(chat.messages[1].dump(),
            R"({"role":"assistant","content":"ok","reasoning_content":"first this"})");
}

TEST(ResponsesRequest, ItemsBecomeMessages) {
  const ChatInput chat = chat_of(Json::parse(R"({
    "instructions": "You are Codex.",
    "input": [
      {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "A"}]},
      {"role": "system", "content": "B"},
      {"type": "message", "role": "user",
       "content": [{"type": "input_text", "text": "hi "}, {"type": "input_text", "text": "there"}]},
      {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
      {"type": "message", "role": "assistant",
       "content": [{"type": "output_text", "text": "I look."}]},
      {"type": "function_call", "call_id": "c1", "name": "ls", "arguments": "{\"p\":1}"},
      {"type": "function_call", "call_id": "c2", "name": "cat", "arguments": "no json"},
      {"type": "web_search_call", "id": "w"},
      {"type": "function_call_output", "call_id": "c1", "output": "out"},
      {"type": "function_call_output", "call_id": "c2",
       "output": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "u"}]},
      {"role": "developer", "content": "C"},
      {"role": "assistant", "content": "done"},
      {"role": "developer", "content": "D"}]})"));
  Json expected = Json::parse(R"([
    {"role": "system", "content": "You are Codex.\n\nA\n\nB"},
    {"role": "user", "content": "hi there"},
    {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
      {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": {"p": 1}}},
      {"id": "c2", "type": "function",
       "function": {"name": "cat", "arguments": {"arguments": "no json"}}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "out"},
    {"role": "tool", "tool_call_id": "c2",
     "content": ""},
    {"role": "assistant", "content": "done"},
    {"role": "user", "content": "<system-reminder>\nD\n</system-reminder>"}])");
  expected[4]["content"] =
      "x[input_image: left out, because this model reads text only]\n\n"
      "<system-reminder>\nC\n</system-reminder>";
  EXPECT_EQ(chat.messages, expected) << chat.messages.dump(1);
}

TEST(ResponsesRequest, ToolsThatCannotBeCalledAreSkipped) {
  const ChatInput chat = chat_of(Json::parse(R"({"input": "hi", "tools": [
    {"type": "function", "name": "ls", "description": "lists", "strict": true,
     "parameters": {"type": "object", "properties": {"p": {"type": "string"}}}},
    {"type": "namespace", "name": "n", "tools": []}, {"type": "web_search"}, {"type": "brandnew"},
    {"type": "function", "name": "bare"}]})"));
  EXPECT_EQ(chat.tools, Json::parse(R"([
    {"type": "function", "function": {"name": "ls", "description": "lists",
     "parameters": {"type": "object", "properties": {"p": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "bare",
     "parameters": {"type": "object", "properties": {}}}}])"));
}

TEST(ResponsesRequest, ChoicesOfTools) {
  Json body = Json::parse(R"({"input": "hi", "tools": [
    {"type": "function", "name": "ls"}, {"type": "function", "name": "cat"}]})");
  const auto choice = [&](const Json& value) {
    body["tool_choice"] = value;
    return responses_request(body, {}).answer.tool_choice;
  };
  EXPECT_EQ(choice(nullptr).mode, ToolChoice::Mode::kAuto);
  EXPECT_EQ(choice("none").mode, ToolChoice::Mode::kNone);
  EXPECT_EQ(choice("required").mode, ToolChoice::Mode::kRequired);
  EXPECT_EQ(choice({{"type", "function"}, {"name", "cat"}}).name, "cat");
  body["parallel_tool_calls"] = false;
  EXPECT_FALSE(choice("auto").parallel);
  EXPECT_EQ(choice(Json::parse(R"({"type": "allowed_tools", "mode": "required",
    "tools": [{"type": "function", "name": "cat"}]})"))
                .mode,
            ToolChoice::Mode::kRequired);
  const ChatInput chat = chat_of(body);
  ASSERT_EQ(chat.tools.size(), 1u);
  EXPECT_EQ(chat.tools[0]["function"]["name"], "cat");
}

TEST(ResponsesRequest, FormatsAndEffort) {
  AnswerRequest answer = responses_request(Json::parse(R"({"input": "hi", "text": {"format":
    {"type": "json_schema", "name": "n", "strict": true, "schema": {"type": "object"}}},
    "reasoning": {"effort": "none"}})"),
                                           {})
                             .answer;
  EXPECT_EQ(answer.format.kind, AnswerFormat::Kind::kJsonSchema);
  EXPECT_EQ(answer.format.source, R"({"type":"object"})");
  EXPECT_EQ(answer.thinking_budget, 0);
  EXPECT_EQ(std::get<ChatInput>(answer.input).template_arguments["enable_thinking"], false);
  answer =
      responses_request({{"input", "hi"}, {"text", {{"format", {{"type", "json_object"}}}}}}, {})
          .answer;
  EXPECT_EQ(answer.format.kind, AnswerFormat::Kind::kJsonObject);
}

TEST(ResponsesRequest, SaysWhatIsWrongAndWhere) {
  const Json part = {{"type", "input_image"}, {"image_url", "u"}};
  const std::vector<BadBody> rows = {
      {Json::object(), "input", "input is missing; it must be a string or an array."},
      {Json::array(), "", "The body must be an object, not an array."},
      {{{"input", 5}}, "input", "input must be a string or an array, not a number."},
      {{{"input", Json::array()}}, "input", "input has no message."},
      {{{"input", {"x"}}}, "input[0]", "input[0] must be an object, not a string."},
      {{{"input", {{{"role", "robot"}, {"content", ""}}}}},
       "input[0].role",
       "input[0].role must be user, assistant, system or developer, not \"robot\"."},
      {{{"input", {{{"role", "user"}, {"content", {part}}}}}},
       "input[0].content[0].type",
       "input[0].content[0].type is \"input_image\", which this model cannot read: send text."},
      {{{"input", {{{"type", "item_reference"}, {"id", "i"}}}}},
       "input[0].type",
       "input[0].type is \"item_reference\", but this server keeps no items: send them whole."},
      {{{"input", "hi"}, {"previous_response_id", "resp_1"}},
       "previous_response_id",
       "previous_response_id cannot be used: this server keeps no responses. Send the whole "
       "conversation as input; what it has in common with an earlier one is not computed again."},
      {{{"input", "hi"}, {"background", true}},
       "background",
       "background cannot be true: this server keeps no responses."},
      {{{"input", "hi"}, {"max_output_tokens", 0}},
       "max_output_tokens",
       "max_output_tokens must be from 1 to 1000000000, not 0."},
      {{{"input", "hi"}, {"top_logprobs", 21}},
       "top_logprobs",
       "top_logprobs must be from 0 to 20, not 21."},
      {{{"input", "hi"}, {"tool_choice", "required"}},
       "tool_choice",
       "tool_choice asks for a call, but tools has no function that can be called here."},
      {{{"input", "hi"}, {"tools", {{{"type", "function"}}}}},
       "tools[0].name",
       "tools[0].name is missing; it must be a string."},
      {{{"input", "hi"}, {"reasoning", {{"effort", "huge"}}}},
       "reasoning.effort",
       "reasoning.effort must be none, minimal, low, medium, high, xhigh or max, not \"huge\"."},
      {{{"input", "hi"}, {"text", {{"format", {{"type", "yaml"}}}}}},
       "text.format.type",
       "text.format.type must be text, json_object or json_schema, not \"yaml\"."},
  };
  expect_refused(rows, [](const Json& body) { responses_request(body, {}); });
}

TEST_F(Responses, RefusalsHaveOpenAisForm) {
  const auto exchange = post({{"input", 5}});
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 400);
  EXPECT_EQ(Json::parse(exchange->response->body)["error"]["param"], "input");
  EXPECT_TRUE(service_.requests.empty());
}

TEST(ResponsesRequest, DamagedBodiesAreRefusedOrRead) {
  const Json valid = Json::parse(R"({"model": "m", "instructions": "i", "stream": true,
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
      {"type": "reasoning", "summary": [], "encrypted_content": "hearth:x"},
      {"type": "function_call", "call_id": "c", "name": "ls", "arguments": "{\"p\":[[[]]]}"},
      {"type": "function_call_output", "call_id": "c", "output": "o"}],
    "tools": [{"type": "function", "name": "ls", "parameters": {"type": "object"}},
      {"type": "web_search"}],
    "tool_choice": {"type": "function", "name": "ls"}, "parallel_tool_calls": true,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    "max_output_tokens": 5, "reasoning": {"effort": "low"}, "include": ["x"], "store": false,
    "temperature": 1, "top_p": 1, "metadata": {"a": "b"}, "seed": 4})");
  expect_refused_or_read(valid, 11, [](const Json& body) { responses_request(body, {}); });
}

}  // namespace
}  // namespace hearth
