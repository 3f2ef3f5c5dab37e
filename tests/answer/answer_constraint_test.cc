// Answers under constraints: whatever a model would say, drawn at random here, what comes of it is
// what was asked for.
#include "answer/answer_constraint.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "answer/answer_output.h"
#include "answer/api_error.h"
#include "tests/answer/random_answer.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using nlohmann::ordered_json;

class AnswerConstraintTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = new Tokenizer("tests/checkpoints/int4-mixed");
    json_ = new ConstraintCompiler(*tokenizer_, ends(), kLogits, CallForm::kJson);
    xml_ = new ConstraintCompiler(*tokenizer_, ends(), kLogits, CallForm::kXml);
  }
  static void TearDownTestSuite() {
    delete json_;
    delete xml_;
    delete tokenizer_;
  }

  static std::vector<int32_t> ends() {
    return {*tokenizer_->token_id("<|im_end|>"), *tokenizer_->token_id("<|endoftext|>")};
  }

  static AnswerRequest request(AnswerFormat::Kind kind, const std::string& source = "") {
    AnswerRequest request{.input = ChatInput{}};
    request.format = {kind, source};
    return request;
  }

  static AnswerRequest with_tools(ToolChoice::Mode mode, const std::string& name = "") {
    ChatInput chat;
    chat.tools = ordered_json::parse(R"([
      {"type": "function", "function": {"name": "look", "parameters":
        {"type": "object", "required": ["at", "n"], "additionalProperties": false, "properties": {
          "at": {"type": "string", "maxLength": 20}, "n": {"type": "integer"},
          "how": {"enum": ["fast", "well"]}, "where": {"$ref": "#/$defs/place"}},
         "$defs": {"place": {"type": "object", "additionalProperties": false,
                             "properties": {"x": {"type": "number"}}, "required": ["x"]}}}}},
      {"type": "function", "function": {"name": "say \"hi\"", "parameters":
        {"type": "object", "properties": {}, "additionalProperties": false}}}])");
    AnswerRequest request{.input = std::move(chat)};
    request.tool_choice.mode = mode;
    request.tool_choice.name = name;
    return request;
  }

  static std::string error_of(const AnswerRequest& request, std::string* parameter = nullptr) {
    try {
      json_->compile(request);
    } catch (const ApiError& error) {
      EXPECT_EQ(error.kind(), ApiError::Kind::kInvalid);
      if (parameter) *parameter = error.parameter();
      return error.what();
    }
    ADD_FAILURE() << "it compiles: " << request.format.source.substr(0, 80);
    return "";
  }

  static constexpr int64_t kLogits = 1100;  // more than there are tokens, as in models
  static inline const Tokenizer* tokenizer_ = nullptr;
  static inline ConstraintCompiler* json_ = nullptr;
  static inline ConstraintCompiler* xml_ = nullptr;
};

TEST_F(AnswerConstraintTest, FreeWhereNothingIsAskedFor) {
  EXPECT_FALSE(json_->compile(request(AnswerFormat::Kind::kText)));
  EXPECT_FALSE(json_->compile(with_tools(ToolChoice::Mode::kAuto)));
  EXPECT_FALSE(json_->compile(with_tools(ToolChoice::Mode::kNone)));
}

TEST_F(AnswerConstraintTest, GrammarsThatComeAgainAreNotCompiledAgain) {
  ConstraintCompiler compiler(*tokenizer_, ends(), kLogits, CallForm::kJson);
  std::mt19937 random(3);
  const auto answer = [&](int number) {
    const auto matcher =
        compiler.compile(request(AnswerFormat::Kind::kRegex, fmt::format("x{}", number)));
    AnswerConstraint constraint(matcher->fork(), compiler.tokens(), false);
    return testing::random_answer(*tokenizer_, constraint, random).text;
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 16; ++i) EXPECT_EQ(answer(i), fmt::format("x{}", i));
  }
  EXPECT_EQ(compiler.compilations(), 16);
  answer(0);
  answer(100);  // instead of the one that was used least lately
  answer(0);
  EXPECT_EQ(compiler.compilations(), 17);
  answer(1);
  EXPECT_EQ(compiler.compilations(), 18);
}

TEST_F(AnswerConstraintTest, AToolThatHasTheSameNameIsAnotherGrammar) {
  ConstraintCompiler compiler(*tokenizer_, ends(), kLogits, CallForm::kJson);
  AnswerRequest tools = with_tools(ToolChoice::Mode::kRequired);
  compiler.compile(tools);
  compiler.compile(tools);
  EXPECT_EQ(compiler.compilations(), 1);
  auto& first = std::get<ChatInput>(tools.input).tools[0]["function"];
  first["parameters"]["properties"]["n"]["type"] = "boolean";
  compiler.compile(tools);
  EXPECT_EQ(compiler.compilations(), 2);
}

TEST_F(AnswerConstraintTest, WarmsUpWhileRequestsComeAndWhenNoneDo) {
  for (int i = 0; i < 20; ++i) {
    ConstraintCompiler compiler(*tokenizer_, ends(), kLogits, CallForm::kJson);
    compiler.warm_up();
    if (i % 2 == 0) continue;  // it ends while it begins
    EXPECT_TRUE(compiler.compile(request(AnswerFormat::Kind::kRegex, "yes|no")));
  }
}

TEST_F(AnswerConstraintTest, FreeWhileThinkingAndBindingAfterwards) {
  const auto matcher = json_->compile(request(AnswerFormat::Kind::kRegex, "yes|no"));
  AnswerConstraint constraint(matcher->fork(), json_->tokens(), true);
  const auto may = [&](const char* token) {
    const auto id = static_cast<size_t>(*tokenizer_->token_id(token));
    return (constraint.allowed()[id / 32] >> id % 32) % 2 == 1;
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(may("q") && may("</think>"));
    EXPECT_FALSE(may("<|im_end|>") || may("<|endoftext|>")) << "there is no answer yet";
    constraint.accept(*tokenizer_->token_id("q"));
  }
  constraint.accept(*tokenizer_->token_id("</think>"));
  EXPECT_TRUE(may("Ċ") && may("y")) << "line ends may follow the reasoning";
  EXPECT_FALSE(may("q") || may("<|im_end|>"));
  constraint.accept(*tokenizer_->token_id("Ċ"));
  EXPECT_TRUE(may("n"));
  EXPECT_FALSE(may("Ċ"));
  constraint.accept(*tokenizer_->token_id("n"));
  EXPECT_FALSE(constraint.complete());
  constraint.accept(*tokenizer_->token_id("o"));
  EXPECT_TRUE(constraint.complete());
  EXPECT_TRUE(may("<|im_end|>") && may("<|endoftext|>"));
  EXPECT_FALSE(may("n") || may("Ċ"));
  EXPECT_EQ(constraint.allowed().size(), (kLogits + 31) / 32);
}

TEST_F(AnswerConstraintTest, FormatsAreKept) {
  std::mt19937 random(1);
  const auto lark = "start: \"a\" item+ \"z\"\nitem: /[0-9]{2}/ \",\"\n";
  for (int round = 0; round < 20; ++round) {
    const auto answer = [&](const AnswerRequest& request) {
      const auto matcher = json_->compile(request);
      AnswerConstraint constraint(matcher->fork(), json_->tokens(), false);
      return testing::random_answer(*tokenizer_, constraint, random).text;
    };
    EXPECT_TRUE(ordered_json::parse(answer(request(AnswerFormat::Kind::kJsonObject))).is_object());
    const auto json = ordered_json::parse(answer(request(
        AnswerFormat::Kind::kJsonSchema, R"({"type": "array", "items": {"type": "integer"}})")));
    EXPECT_TRUE(json.is_array());
    EXPECT_TRUE(std::all_of(json.begin(), json.end(),
                            [](const auto& item) { return item.is_number_integer(); }));
    const std::string word = answer(request(AnswerFormat::Kind::kRegex, "/[a-c]{3}\\/x+"));
    EXPECT_TRUE(word.starts_with('/') && word.substr(4, 2) == "/x") << word;
    const std::string list = answer(request(AnswerFormat::Kind::kLark, lark));
    EXPECT_TRUE(list.starts_with('a') && list.ends_with(",z")) << list;
  }
}

TEST_F(AnswerConstraintTest, CallsThatMustComeDoCome) {
  std::mt19937 random(2);
  int several = 0;
  int looks = 0;
  for (int round = 0; round < 60; ++round) {
    for (ConstraintCompiler* compiler : {json_, xml_}) {
      AnswerRequest request = with_tools(
          round % 2 == 0 ? ToolChoice::Mode::kRequired : ToolChoice::Mode::kNamed, "look");
      request.tool_choice.parallel = round % 3 != 0;
      const auto matcher = compiler->compile(request);
      AnswerConstraint constraint(matcher->fork(), compiler->tokens(), false);
      const testing::RandomAnswer drawn = testing::random_answer(*tokenizer_, constraint, random);
      AnswerOutput output(*tokenizer_, request, false);
      std::vector<std::string> names;
      std::string arguments;
      std::string text;
      const auto take = [&](const std::vector<AnswerOutput::Event>& events) {
        for (const auto& event : events) {
          if (const auto* begin = std::get_if<ToolCallBegin>(&event)) {
            names.push_back(begin->name);
            arguments.clear();
          } else if (const auto* more = std::get_if<ToolCallArguments>(&event)) {
            arguments += more->text;
          } else if (const auto* delta = std::get_if<TextDelta>(&event)) {
            text += delta->text;
          } else if (std::holds_alternative<ToolCallEnd>(event) && names.back() == "look") {
            ++looks;
            const auto json = ordered_json::parse(arguments);
            EXPECT_TRUE(json.at("at").is_string()) << arguments;
            // Longer ones than 64 bits are read as floats.
            EXPECT_EQ(std::fmod(json.at("n").get<double>(), 1), 0) << arguments;
            if (json.contains("how")) {
              EXPECT_TRUE(json["how"] == "fast" || json["how"] == "well");
            }
            if (json.contains("where")) {
              EXPECT_TRUE(json["where"].at("x").is_number());
            }
          }
        }
      };
      for (const int32_t token : drawn.tokens) take(output.push(token));
      take(output.finish(FinishReason::kEndToken));
      EXPECT_FALSE(names.empty()) << drawn.text;
      EXPECT_EQ(text, "") << drawn.text;
      if (round % 2 == 1) {
        EXPECT_EQ(names.front(), "look");
      }
      if (!request.tool_choice.parallel) {
        EXPECT_EQ(names.size(), 1U);
      }
      several += names.size() > 1 ? 1 : 0;
    }
  }
  EXPECT_GT(several, 0);
  EXPECT_GT(looks, 20);
}

TEST_F(AnswerConstraintTest, WithAFormatAModelMayAnswerOrCall) {
  AnswerRequest both = with_tools(ToolChoice::Mode::kAuto);
  both.format = {AnswerFormat::Kind::kJsonSchema, R"({"type": "object", "required": ["ok"],
      "properties": {"ok": {"type": "boolean"}}, "additionalProperties": false})"};
  for (ConstraintCompiler* compiler : {json_, xml_}) {
    const auto matcher = compiler->compile(both);
    for (const char* text :
         {R"({"ok": true})", compiler == xml_
                                 ? "<tool_call>\n<function=look>\n<parameter=at>\na\n</parameter>\n"
                                   "<parameter=n>\n1\n</parameter>\n</function>\n</tool_call>"
                                 : "<tool_call>\n{\"name\": \"look\", \"arguments\": "
                                   "{\"at\": \"a\", \"n\": 1}}\n</tool_call>"}) {
      TokenMatcher answer = matcher->fork();
      for (const int32_t token : tokenizer_->encode(text)) answer.accept(token);
      std::vector<uint32_t> words((kLogits + 31) / 32);
      answer.mask(words);
      const auto end = static_cast<size_t>(ends()[0]);
      EXPECT_TRUE((words[end / 32] >> end % 32) % 2 == 1) << text;
    }
    TokenMatcher answer = matcher->fork();
    EXPECT_THROW(answer.accept(*tokenizer_->token_id("x")), GrammarError);
  }
}

TEST_F(AnswerConstraintTest, WhatCannotBeFollowedIsNamed) {
  std::string parameter;
  const auto schema = AnswerFormat::Kind::kJsonSchema;
  EXPECT_NE(error_of(request(schema, R"({"type": "strong"})"), &parameter).find("strong"),
            std::string::npos);
  EXPECT_EQ(parameter, "response_format");
  EXPECT_NE(error_of(request(schema, "{oh")).find("not JSON"), std::string::npos);
  EXPECT_NE(error_of(request(schema, R"({"if": {}})")).find("if"), std::string::npos);
  error_of(request(schema, R"({"$ref": "#/$defs/none"})"));
  error_of(request(schema, R"({"type": "string", "pattern": "("})"));
  error_of(request(AnswerFormat::Kind::kRegex, "(a"));
  error_of(request(AnswerFormat::Kind::kLark, "start: nothing"));
  error_of(request(AnswerFormat::Kind::kLark, ""));

  AnswerRequest tools = with_tools(ToolChoice::Mode::kRequired);
  auto& chat = std::get<ChatInput>(tools.input);
  chat.tools[1]["function"]["parameters"] = {{"type", "object"}, {"not", ordered_json::object()}};
  error_of(tools, &parameter);
  EXPECT_EQ(parameter, "tools[1].function.parameters");
  chat.tools.clear();
  error_of(tools, &parameter);
  EXPECT_EQ(parameter, "tool_choice");
  EXPECT_NE(error_of(with_tools(ToolChoice::Mode::kNamed, "nope"), &parameter).find("nope"),
            std::string::npos);
  EXPECT_EQ(parameter, "tool_choice");
  ConstraintCompiler none(*tokenizer_, ends(), kLogits, CallForm::kNone);
  EXPECT_THROW(none.compile(with_tools(ToolChoice::Mode::kRequired)), ApiError);
}

TEST_F(AnswerConstraintTest, WhatWouldTakeTooMuchIsRefused) {
  const auto lark = AnswerFormat::Kind::kLark;
  const auto schema = AnswerFormat::Kind::kJsonSchema;
  const auto times = [](int count, const char* text) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  const std::string start = "start: ";
  error_of(request(lark, start + times(300, "(") + "a" + times(300, ")")));
  error_of(request(AnswerFormat::Kind::kRegex, times(5000, "(") + times(5000, ")")));
  error_of(request(schema, times(300 << 10, " ") + "{}"));
  error_of(request(schema, times(100'000, "[")));
  error_of(request(schema, times(5000, R"({"items": )") + "{}" + times(5000, "}")));
  // Long chains are followed, or refused, but nothing breaks.
  std::string rules = "start: r0\n";
  for (int i = 0; i < 8000; ++i) rules += fmt::format("r{}: r{} \"a\"\n", i, i + 1);
  ordered_json chain = {{"$ref", "#/$defs/d0"}, {"$defs", ordered_json::object()}};
  for (int i = 0; i < 3000; ++i) {
    chain["$defs"][fmt::format("d{}", i)] = {{"$ref", fmt::format("#/$defs/d{}", i + 1)}};
  }
  chain["$defs"]["d3000"] = {{"type", "null"}};
  for (const AnswerRequest& long_one :
       {request(lark, rules + "r8000: \"b\"\n"), request(schema, chain.dump()),
        request(AnswerFormat::Kind::kRegex, "((((a{1000}){1000}){1000}){1000})")}) {
    try {
      const auto matcher = json_->compile(long_one);
      ASSERT_TRUE(matcher);
      AnswerConstraint constraint(matcher->fork(), json_->tokens(), false);
      EXPECT_FALSE(constraint.allowed().empty());
    } catch (const ApiError& error) {
      EXPECT_EQ(error.parameter(), "response_format");
    }
  }
}

TEST(CallFormTest, IsWhatTheTemplateTells) {
  const testing::TempFolder folder;
  for (const auto& [name, form] :
       {std::pair("instruct", CallForm::kJson), std::pair("thinking", CallForm::kJson),
        std::pair("coder", CallForm::kXml)}) {
    std::filesystem::copy_file(std::string("tests/text/templates/") + name + ".jinja",
                               folder.path() / "chat_template.jinja",
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(call_form(ChatTemplate(folder.path())), form) << name;
  }
  testing::write_file(folder.path() / "chat_template.jinja", "{{ messages[0].content }}");
  EXPECT_EQ(call_form(ChatTemplate(folder.path())), CallForm::kNone);
}

}  // namespace
}  // namespace hearth
