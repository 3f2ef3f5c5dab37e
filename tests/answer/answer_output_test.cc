// What a reader hears of an answer: reasoning, text and tool calls, for every way that a model can
// cut the same words into tokens.
#include "answer/answer_output.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>
#include <set>

namespace hearth {
namespace {

using Event = AnswerOutput::Event;
using nlohmann::ordered_json;
using Reason = ChoiceFinished::Reason;

/// Everything that was heard, put together.
struct Heard {
  std::string thinking = {};
  std::string answer = {};
  std::vector<std::string> calls = {};  // NAME(ARGUMENTS)
  Reason reason = Reason::kEnd;
  std::string stop = {};
  bool done = false;  // no more tokens were wanted

  bool operator==(const Heard&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Heard& heard) {
  out << "thinking [" << heard.thinking << "] answer [" << heard.answer << "]";
  for (const std::string& call : heard.calls) out << " call " << call;
  return out << " reason " << static_cast<int>(heard.reason) << " stop [" << heard.stop << "]";
}

bool whole_characters(const std::string& text) {
  return ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::ignore) ==
         ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

class AnswerOutputTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = new Tokenizer("tests/checkpoints/int4-mixed");
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      const std::string text = tokenizer_->token_text(id);
      if (!text.empty() && !tokenizer_->is_special(id)) by_text_[text] = id;
    }
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  static int32_t id_of(const char* token) { return *tokenizer_->token_id(token); }

  static AnswerRequest request() {
    ChatInput chat;
    chat.tools = ordered_json::parse(R"([
      {"type": "function", "function": {"name": "look", "parameters":
        {"type": "object", "properties": {"at": {"type": "string"}, "n": {"type": "integer"}}}}},
      {"type": "function", "function": {"name": "now"}}])");
    return {.input = std::move(chat)};
  }

  /// `text` as tokens, at random. Tags of reasoning are tokens of their own, those of calls may be.
  static std::vector<int32_t> split(const std::string& text, std::mt19937& random) {
    const size_t most = 1 + random() % 8;
    std::vector<int32_t> tokens;
    for (size_t at = 0; at < text.size();) {
      size_t size = std::min(1 + random() % most, text.size() - at);
      for (const std::string tag : {"<think>", "</think>", "<tool_call>", "</tool_call>"}) {
        const size_t next = text.find(tag, at);
        if (next == std::string::npos) continue;
        const bool atomic = tag.find("think") != std::string::npos || random() % 2 == 0;
        if (next == at && atomic) size = tag.size();
        else if (atomic) size = std::min(size, next - at);
      }
      while (!by_text_.contains(text.substr(at, size))) --size;
      tokens.push_back(by_text_.at(text.substr(at, size)));
      at += size;
    }
    return tokens;
  }

  static Heard hear(const AnswerRequest& request, const std::vector<int32_t>& tokens,
                    bool starts_in_thinking, FinishReason finish = FinishReason::kEndToken) {
    AnswerOutput output(*tokenizer_, request, starts_in_thinking);
    Heard heard;
    std::vector<bool> ended;
    const auto take = [&](const std::vector<Event>& events) {
      for (const Event& event : events) take_event(event, heard, ended);
    };
    for (const int32_t token : tokens) {
      if (output.done()) break;
      take(output.push(token));
    }
    heard.done = output.done();
    const std::vector<Event> last = output.finish(heard.done ? FinishReason::kStopped : finish);
    EXPECT_TRUE(std::holds_alternative<ChoiceFinished>(last.back()));
    take(last);
    EXPECT_TRUE(std::all_of(ended.begin(), ended.end(), [](bool end) { return end; }));
    for (std::string& call : heard.calls) call += ")";
    return heard;
  }

  static void take_event(const Event& event, Heard& heard, std::vector<bool>& ended) {
    if (const auto* text = std::get_if<TextDelta>(&event)) {
      EXPECT_FALSE(text->text.empty());
      EXPECT_TRUE(whole_characters(text->text));
      (text->part == TextDelta::Part::kThinking ? heard.thinking : heard.answer) += text->text;
    } else if (const auto* begin = std::get_if<ToolCallBegin>(&event)) {
      EXPECT_EQ(begin->index, static_cast<int64_t>(heard.calls.size()));
      heard.calls.push_back(begin->name + "(");
      ended.push_back(false);
    } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
      EXPECT_EQ(arguments->index + 1, static_cast<int64_t>(heard.calls.size()));
      heard.calls.back() += arguments->text;
    } else if (const auto* end = std::get_if<ToolCallEnd>(&event)) {
      ended.at(static_cast<size_t>(end->index)) = true;
    } else if (const auto* finished = std::get_if<ChoiceFinished>(&event)) {
      heard.reason = finished->reason;
      heard.stop = finished->stop_string;
    }
  }

  /// The same is heard however the text is cut into tokens.
  static void expect(const AnswerRequest& request, const std::string& text, bool thinking,
                     const Heard& wanted, FinishReason finish = FinishReason::kEndToken) {
    std::mt19937 random(1);
    for (int round = 0; round < 40; ++round) {
      ASSERT_EQ(hear(request, split(text, random), thinking, finish), wanted) << text;
    }
  }

  static inline const Tokenizer* tokenizer_ = nullptr;
  static inline std::map<std::string, int32_t> by_text_;
};

constexpr const char* kCall =
    "<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\": \"日本\"}}\n</tool_call>";
constexpr const char* kXmlCall =
    "<tool_call>\n<function=look>\n<parameter=at>\n日本\n</parameter>\n</function>\n</tool_call>";
constexpr const char* kHeardCall = R"(look({"at": "日本"}))";

TEST_F(AnswerOutputTest, ReasoningTextAndCalls) {
  for (const std::string call : {kCall, kXmlCall}) {
    expect(request(), "Let me see…\n</think>\n\nI look.\n" + call + "\n" + call, true,
           {.thinking = "Let me see…",
            .answer = "I look.",
            .calls = {kHeardCall, kHeardCall},
            .reason = Reason::kToolCalls});
    expect(request(), "Hm.</think>" + call, true,
           {.thinking = "Hm.", .calls = {kHeardCall}, .reason = Reason::kToolCalls});
    expect(request(), call + "\nDone 🙂", false,
           {.answer = "\nDone 🙂", .calls = {kHeardCall}, .reason = Reason::kToolCalls});
  }
  expect(request(), "<think>\nHm\n</think>\n\nYes.", false, {.thinking = "Hm", .answer = "Yes."});
}

TEST_F(AnswerOutputTest, CallsWithinReasoningCountWhereTheOutputEndsWithThem) {
  for (const std::string call : {kCall, kXmlCall}) {
    expect(request(), "Look.\n" + call, true,
           {.thinking = "Look.", .calls = {kHeardCall}, .reason = Reason::kToolCalls});
    expect(request(), "Look.\n" + call + "\n" + call + "\n", true,
           {.thinking = "Look.", .calls = {kHeardCall, kHeardCall}, .reason = Reason::kToolCalls});
    // Only thought of.
    expect(request(), "I could " + call + " or not.\n</think>\n\nNo.", true,
           {.thinking = "I could " + call + " or not.", .answer = "No."});
    expect(request(), "Look.\n" + call + "\n</think>\n\nNo.", true,
           {.thinking = "Look.\n" + call, .answer = "No."});
    // The reasoning ends with it, and no answer follows.
    expect(request(), "Look.\n" + call + "\n</think>\n\n", true,
           {.thinking = "Look.\n" + call, .calls = {kHeardCall}, .reason = Reason::kToolCalls});
    // Cut off.
    expect(request(), "Look.\n" + call, true,
           {.thinking = "Look.\n" + call, .reason = Reason::kLength}, FinishReason::kLength);
  }
  const std::string unknown = "<tool_call>\n{\"name\": \"nope\", \"arguments\": {}}\n</tool_call>";
  expect(request(), "Look.\n" + unknown, true, {.thinking = "Look.\n" + unknown});
  expect(request(), "<tool_call> is a tag", true, {.thinking = "<tool_call> is a tag"});
}

TEST_F(AnswerOutputTest, ToolChoiceDecidesWhatIsACall) {
  AnswerRequest none = request();
  none.tool_choice.mode = ToolChoice::Mode::kNone;
  expect(none, kCall, false, {.answer = kCall});
  expect({.input = ChatInput{}}, kCall, false, {.answer = kCall});

  AnswerRequest one = request();
  one.tool_choice.parallel = false;
  expect(one, std::string(kCall) + "\n" + kCall, false,
         {.calls = {kHeardCall}, .reason = Reason::kToolCalls, .done = true});
}

TEST_F(AnswerOutputTest, StopStringsEndTextAndNotCalls) {
  AnswerRequest stop = request();
  stop.sampling.stop = {"日本", "STOP"};
  expect(stop, "STOP?\n</think>\n\nWe STOP here", true,
         {.thinking = "STOP?",
          .answer = "We ",
          .reason = Reason::kStop,
          .stop = "STOP",
          .done = true});
  expect(stop, "STO\n" + std::string(kCall), false,
         {.answer = "STO", .calls = {kHeardCall}, .reason = Reason::kToolCalls});
  expect(stop, "No STO", false, {.answer = "No STO"});
}

TEST_F(AnswerOutputTest, RawInputsAreAnsweredAsItComes) {
  AnswerRequest raw{.input = RawInput("text")};
  const std::string text = "<think>a</think>\n\n" + std::string(kCall) + "\n 🙂";
  expect(raw, text, false, {.answer = text});
  raw.sampling.stop = {"</think>"};
  expect(raw, text, false,
         {.answer = "<think>a", .reason = Reason::kStop, .stop = "</think>", .done = true});
}

TEST_F(AnswerOutputTest, WhatIsCutOffSaysSo) {
  expect(request(), "One two", false, {.answer = "One two", .reason = Reason::kLength},
         FinishReason::kLength);
  const std::string half = std::string(kCall).substr(0, std::string(kCall).find("本"));
  std::mt19937 random(1);
  const Heard heard = hear(request(), split(half, random), false, FinishReason::kLength);
  ASSERT_EQ(heard.calls.size(), 1U);
  EXPECT_EQ(heard.calls[0], "look({\"at\": \"日)") << "not to be run by half";
  EXPECT_EQ(heard.reason, Reason::kLength);
}

TEST_F(AnswerOutputTest, IdsAreNeverTheSame) {
  std::set<std::string> ids;
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    AnswerOutput output(*tokenizer_, request(), false);
    for (const int32_t token : split(kCall, random)) {
      for (const Event& event : output.push(token)) {
        if (const auto* begin = std::get_if<ToolCallBegin>(&event)) ids.insert(begin->id);
      }
    }
  }
  EXPECT_EQ(ids.size(), 50U);
  for (const std::string& id : ids) {
    EXPECT_TRUE(id.starts_with("call_")) << id;
    EXPECT_EQ(id.size(), 29U) << id;
    EXPECT_TRUE(std::all_of(id.begin() + 5, id.end(), [](char c) { return std::isalnum(c); }))
        << id;
  }
}

TEST_F(AnswerOutputTest, TheBudgetOfReasoningIsKeptToTheToken) {
  std::mt19937 random(1);
  const std::vector<int32_t> tokens = split("one two three four five", random);
  for (size_t budget = 0; budget < tokens.size(); ++budget) {
    AnswerRequest request{.input = ChatInput{}};
    request.thinking_budget = static_cast<int64_t>(budget);
    AnswerOutput output(*tokenizer_, request, true);
    for (size_t i = 0; i < budget; ++i) {
      EXPECT_LT(output.forced_token(), 0);
      output.push(tokens[i]);
    }
    EXPECT_EQ(output.forced_token(), id_of("</think>"));
    output.push(id_of("</think>"));
    EXPECT_LT(output.forced_token(), 0);
    EXPECT_EQ(output.thinking_tokens(), static_cast<int64_t>(budget));
  }
}

TEST_F(AnswerOutputTest, LogprobsGoWithTheTextOfTheirTokens) {
  std::mt19937 random(1);
  AnswerRequest stop = request();
  stop.sampling.stop = {"STOP"};
  for (int round = 0; round < 50; ++round) {
    const std::string text = "naïve 🙂 STO <b> STOP";
    const std::vector<int32_t> tokens = split(text, random);
    AnswerOutput output(*tokenizer_, stop, false);
    std::string shown;
    std::string behind;  // bytes of the tokens told with it
    std::vector<int32_t> told;
    for (const int32_t token : tokens) {
      if (output.done()) break;
      PlaceLogprobs logprobs{.chosen = {.token = token, .bytes = tokenizer_->token_text(token)}};
      for (const Event& event : output.push(token, logprobs)) {
        const auto& delta = std::get<TextDelta>(event);
        shown += delta.text;
        for (const PlaceLogprobs& place : delta.logprobs) {
          behind += place.chosen.bytes;
          told.push_back(place.chosen.token);
        }
        EXPECT_LE(shown.size(), behind.size()) << "no text before its tokens";
      }
    }
    EXPECT_EQ(shown, "naïve 🙂 STO <b> ");
    EXPECT_TRUE(std::equal(told.begin(), told.end(), tokens.begin())) << "each once, in order";
    const auto last = output.finish(FinishReason::kStopped);
    EXPECT_EQ(last.size(), 1U) << "those of the stop string are not told";
  }
}

TEST_F(AnswerOutputTest, RandomTokensLoseNoText) {
  std::mt19937 random(5);
  const auto all = static_cast<uint32_t>(tokenizer_->vocab_size());
  for (int round = 0; round < 3000; ++round) {
    std::vector<int32_t> tokens;
    for (size_t i = random() % 60; i > 0; --i) {
      static const char* const kTags[] = {"<tool_call>", "</tool_call>", "</think>"};
      const bool tag = random() % 12 == 0;
      tokens.push_back(tag ? id_of(kTags[random() % 3]) : static_cast<int32_t>(random() % all));
    }
    const bool thinking = random() % 2 == 0;
    const Heard heard = hear(request(), tokens, thinking);
    if (!heard.calls.empty()) continue;
    // All but the first end of reasoning, and line ends.
    if (thinking) {
      const auto end = std::find(tokens.begin(), tokens.end(), id_of("</think>"));
      if (end != tokens.end()) tokens.erase(end);
    } else if (std::find(tokens.begin(), tokens.end(), id_of("<think>")) != tokens.end()) {
      continue;
    }
    const auto squeezed = [](std::string text) {
      std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
      return text;
    };
    std::string whole = tokenizer_->decode(tokens, true);
    if (squeezed(heard.thinking + heard.answer) == squeezed(whole)) continue;
    // Half a character before the end of reasoning is not joined with bytes behind it.
    EXPECT_NE(whole.find("\xEF\xBF\xBD"), std::string::npos) << whole;
  }
}

}  // namespace
}  // namespace hearth
