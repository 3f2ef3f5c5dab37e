// Completions: prompts of all kinds, echoes, and logprobs as evaluation harnesses read them.
#include <gtest/gtest.h>

#include "tests/server/support/dialect_test.h"
#include "tests/server/support/openai_stream.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: the fixture

PlaceLogprobs place(const std::string& bytes, double logprob, const std::string& other = "") {
  PlaceLogprobs place = {.chosen = {.token = 1, .logprob = logprob, .bytes = bytes}, .top = {}};
  if (!other.empty()) place.top.push_back({.token = 2, .logprob = -0.125, .bytes = other});
  return place;
}

AnswerEvent text_with(const std::string& said, std::vector<PlaceLogprobs> logprobs) {
  return {.what = TextDelta{.text = said, .logprobs = std::move(logprobs)}};
}

class CompletionsTest : public DialectTest {
 protected:
  CompletionsTest() : DialectTest(completions_route, {{"prompt", "hello"}}) {
    service_.script = answer_of({{text(" there"), text(".")}}, Reason::kEnd);
  }
};

TEST_F(CompletionsTest, AWholeAnswer) {
  EXPECT_EQ(
      ask(R"({"prompt": "hello"})")->response->body,
      R"({"id":"cmpl-X","object":"text_completion","created":1700000000,"model":"ember",)"
      R"("system_fingerprint":"hearth-1.2","choices":[{"index":0,"text":" there.",)"
      R"("logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,)"
      R"("completion_tokens":7,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":5},)"
      R"("completion_tokens_details":{"reasoning_tokens":3}},"timings":{"cache_n":5,)"
      R"("prompt_n":7,"prompt_ms":0.0,"prompt_per_token_ms":0.0,"prompt_per_second":0.0,)"
      R"("predicted_n":7,"predicted_ms":0.0,"predicted_per_token_ms":0.0,)"
      R"("predicted_per_second":0.0}})");
  const AnswerRequest& request = service_.requests.back();
  EXPECT_EQ(std::get<std::string>(std::get<RawInput>(request.input)), "hello");
  EXPECT_EQ(request.max_tokens, 16) << "as at OpenAI";
}

TEST_F(CompletionsTest, AStreamedAnswer) {
  const auto exchange = ask(R"({"prompt": "hello", "echo": true, "stream": true,
                                "stream_options": {"include_usage": true}})");
  std::string seen;
  for (const Json& chunk : openai_chunks(exchange->stream)) {
    EXPECT_EQ(chunk["object"], "text_completion");
    seen += to_text(chunk["choices"]) + "\n";
  }
  EXPECT_EQ(seen, R"([{"index":0,"text":"hello","logprobs":null,"finish_reason":null}])"
                  "\n"
                  R"([{"index":0,"text":" there","logprobs":null,"finish_reason":null}])"
                  "\n"
                  R"([{"index":0,"text":".","logprobs":null,"finish_reason":null}])"
                  "\n"
                  R"([{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}])"
                  "\n[]\n");
  const auto chunks = openai_chunks(exchange->stream);
  EXPECT_EQ(chunks.front()["usage"], nullptr);
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], 7);
}

TEST_F(CompletionsTest, PromptsOfAllKinds) {
  using Tokens = std::vector<int32_t>;
  const auto inputs = [&](const std::string& prompt) {
    service_.requests.clear();
    const Json answer = whole("{\"prompt\": " + prompt + "}");
    std::vector<RawInput> found;
    for (const AnswerRequest& request : service_.requests) {
      found.push_back(std::get<RawInput>(request.input));
    }
    EXPECT_EQ(answer["choices"].size(), found.size());
    return found;
  };
  EXPECT_EQ(inputs(R"("a")"), std::vector<RawInput>{"a"});
  EXPECT_EQ(inputs(R"(["a", "b", "c"])"), (std::vector<RawInput>{"a", "b", "c"}));
  EXPECT_EQ(inputs("[65, 66]"), (std::vector<RawInput>{Tokens{65, 66}}));
  EXPECT_EQ(inputs("[[65], [66, 67]]"), (std::vector<RawInput>{Tokens{65}, Tokens{66, 67}}));
  EXPECT_EQ(inputs(R"(["a", [66]])"), (std::vector<RawInput>{"a", Tokens{66}}));
}

TEST_F(CompletionsTest, ChoicesAreNumberedOverAllPrompts) {
  service_.script = {{.what = AnswerAccepted{.prompt_tokens = 3}}};
  for (const int64_t choice : {0, 1}) {
    AnswerEvent said = text("+" + std::to_string(choice));
    said.choice = choice;
    service_.script.push_back(said);
    service_.script.push_back({.choice = choice, .what = ChoiceFinished{Reason::kEnd, "", 0}});
  }
  AnswerDone done;
  done.usage.generated_tokens = 4;
  service_.script.push_back({.what = done});
  const Json answer = whole(R"({"prompt": ["a", [66]], "n": 2, "echo": true})");
  std::string texts;
  for (const Json& choice : answer["choices"]) {
    texts += to_text(choice["index"]) + choice["text"].get<std::string>() + " ";
  }
  EXPECT_EQ(texts, "0a+0 1a+1 2B+0 3B+1 ");
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 6);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 8);
}

TEST_F(CompletionsTest, LogprobsOfPromptAndAnswer) {
  service_.script = answer_of(
      {{{.what = PromptLogprobs{{place("hé", 0), place("\xe2\x82", -1, "x"), place("\xac", -2)}}},
        text_with(" a", {place(" a", -0.5, " b")})}},
      Reason::kLength);
  const std::string body = R"({"prompt": "hé€", "echo": true, "logprobs": 1, "max_tokens": 1)";
  const std::string expected =
      R"({"tokens":["hé","bytes:\\xe2\\x82","bytes:\\xac"," a"],)"
      R"("token_logprobs":[null,-1.0,-2.0,-0.5],)"
      R"("top_logprobs":[null,{"x":-0.125,"bytes:\\xe2\\x82":-1.0},{"bytes:\\xac":-2.0},)"
      R"({" b":-0.125," a":-0.5}],"text_offset":[0,2,3,3]})";
  const Json choice = whole(body + "}")["choices"][0];
  EXPECT_EQ(choice["text"], "hé€ a");
  EXPECT_EQ(to_text(choice["logprobs"]), expected);

  const AnswerRequest& request = service_.requests.back();
  EXPECT_EQ(request.top_logprobs, 1);
  EXPECT_TRUE(request.prompt_logprobs);
  EXPECT_FALSE(request.ends_at_end_token) << "the one token is always there";

  Json collected = {{"tokens", Json::array()}};
  std::string text;
  for (const Json& chunk : openai_chunks(ask(body + R"(, "stream": true})")->stream)) {
    const Json& part = chunk["choices"][0];
    text += part["text"].get<std::string>();
    if (part["logprobs"].is_null()) continue;
    for (const auto& [key, values] : part["logprobs"].items()) {
      for (const Json& value : values) collected[key].push_back(value);
    }
  }
  EXPECT_EQ(text, "hé€ a");
  EXPECT_EQ(to_text(collected), expected);
}

TEST_F(CompletionsTest, WithoutEchoThereAreNoLogprobsOfThePrompt) {
  whole(R"({"prompt": "a", "logprobs": 0})");
  EXPECT_FALSE(service_.requests.back().prompt_logprobs);
  EXPECT_EQ(service_.requests.back().top_logprobs, 0);
  EXPECT_TRUE(service_.requests.back().ends_at_end_token);
  whole(R"({"prompt": "a", "echo": true})");
  EXPECT_FALSE(service_.requests.back().prompt_logprobs);
}

TEST_F(CompletionsTest, LengthsOfAnswers) {
  const auto tokens = [&](const std::string& more) {
    whole(R"({"prompt": "a", )" + more + "}");
    return service_.requests.back().max_tokens;
  };
  EXPECT_EQ(tokens(R"("max_tokens": 0, "echo": true)"), 0);
  EXPECT_EQ(tokens(R"("max_tokens": 7)"), 7);
  EXPECT_EQ(tokens(R"("max_tokens": -1)"), std::nullopt);
  EXPECT_EQ(tokens(R"("max_tokens": null)"), 16);
}

TEST_F(CompletionsTest, DeltasAddUpToTheText) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 300; ++i) {
    service_.script = random_answer(random);
    const std::string body = R"({"prompt": "p", "echo": )" + std::string(i % 2 ? "true" : "false");
    const Json choice = whole(body + "}")["choices"][0];
    std::string text;
    Json reason;
    for (const Json& chunk : openai_chunks(ask(body + R"(, "stream": true})")->stream)) {
      text += chunk["choices"][0]["text"].get<std::string>();
      reason = chunk["choices"][0]["finish_reason"];
    }
    EXPECT_EQ(text, choice["text"]);
    EXPECT_EQ(reason, choice["finish_reason"]);
  }
}

TEST_F(CompletionsTest, WhatIsWrongIsNamed) {
  EXPECT_TRUE(refusal("{}").starts_with("prompt: prompt is missing"));
  EXPECT_TRUE(refusal(R"({"prompt": ""})").starts_with("prompt: prompt must not be empty"));
  EXPECT_TRUE(refusal(R"({"prompt": []})").starts_with("prompt: prompt must not be empty"));
  EXPECT_TRUE(refusal(R"({"prompt": ["a", ""]})").starts_with("prompt[1]: "));
  EXPECT_TRUE(refusal(R"({"prompt": ["a", []]})").starts_with("prompt[1]: "));
  EXPECT_TRUE(refusal(R"({"prompt": [1, "a"]})").starts_with("prompt[1]: "));
  EXPECT_TRUE(refusal(R"({"prompt": [1, -1]})").starts_with("prompt[1]: "));
  EXPECT_TRUE(refusal(R"({"prompt": [1, 3000000000]})").starts_with("prompt[1]: "));
  EXPECT_TRUE(refusal(R"({"prompt": [1.5]})").starts_with("prompt[0]: "));
  EXPECT_TRUE(refusal(R"({"prompt": {"a": 1}})").starts_with("prompt: "));
  EXPECT_TRUE(refusal(R"({"prompt": "a", "suffix": "b"})").starts_with("suffix: "));
  EXPECT_EQ(refusal(R"({"prompt": "a", "suffix": ""})"), "accepted");
  EXPECT_TRUE(refusal(R"({"prompt": "a", "best_of": 2})").starts_with("best_of: "));
  EXPECT_TRUE(refusal(R"({"prompt": "a", "logprobs": 21})").starts_with("logprobs: "));
  EXPECT_TRUE(refusal(R"({"prompt": "a", "logprobs": true})").starts_with("logprobs: "));
  std::string prompts;
  for (int i = 0; i < 65; ++i) prompts += (i ? ",\"a\"" : "\"a\"");
  EXPECT_TRUE(refusal("{\"n\": 2, \"prompt\": [" + prompts + "]}").starts_with("n: "));
}

TEST_F(CompletionsTest, DamagedBodiesAreAnsweredOrRefused) {
  const Json body = Json::parse(R"({"prompt": ["a", [1, 2]], "echo": true, "logprobs": 2, "n": 1,
      "max_tokens": 3, "suffix": null, "best_of": 1, "stop": "x", "seed": -1, "stream": false})");
  expect_answered_or_refused(body, 13);
}

}  // namespace
}  // namespace hearth
