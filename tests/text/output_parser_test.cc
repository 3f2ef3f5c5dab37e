// Reasoning and answer: the same parts for every way that the output can be split into tokens, down
// to single bytes, and nothing of the one in the other.
#include "text/output_parser.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace hearth {
namespace {

struct ThinkingAndAnswer {
  std::string thinking;
  std::string answer;

  bool operator==(const ThinkingAndAnswer&) const = default;
};

class OutputParserTest : public testing::Test {
 protected:
  static inline const Tokenizer* tokenizer_ = nullptr;
  static inline std::map<std::string, std::vector<int32_t>> by_text_;  // ids of each byte string

  static void SetUpTestSuite() {
    tokenizer_ = new Tokenizer("tests/checkpoints/int4-mixed");
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      const std::string text = tokenizer_->token_text(id);
      if (!text.empty() && !tokenizer_->is_special(id) && id != open() && id != close()) {
        by_text_[text].push_back(id);
      }
    }
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  static int32_t open() { return *tokenizer_->token_id("<think>"); }
  static int32_t close() { return *tokenizer_->token_id("</think>"); }

  /// `text` as tokens of at most `most` bytes, cut at random.
  static std::vector<int32_t> split(const std::string& text, size_t most, std::mt19937& random) {
    std::vector<int32_t> tokens;
    for (size_t at = 0; at < text.size();) {
      size_t size = std::min(1 + random() % most, text.size() - at);
      while (!by_text_.contains(text.substr(at, size))) --size;
      tokens.push_back(by_text_.at(text.substr(at, size)).front());
      at += size;
    }
    return tokens;
  }

  static ThinkingAndAnswer parse(const std::vector<int32_t>& tokens, bool starts_in_thinking) {
    OutputParser parser(*tokenizer_, starts_in_thinking);
    ThinkingAndAnswer parts;
    const auto add = [&](const OutputPiece& piece) {
      parts.thinking += piece.thinking;
      parts.answer += piece.answer;
    };
    for (const int32_t token : tokens) add(parser.push(token));
    add(parser.flush());
    return parts;
  }

  static std::vector<int32_t> join(std::initializer_list<std::vector<int32_t>> parts) {
    std::vector<int32_t> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }
};

TEST_F(OutputParserTest, EverySplitGivesTheSameParts) {
  std::mt19937 random(1);
  const std::string thinking = "First: 1 + 1 = 2.\n\n  Then — naïve, 日本語 🙂.";
  const std::string answer = "It is **2**, as `</think` shows;\n\nnot 3: \xF0\x9F\x99\x82\n";
  const ThinkingAndAnswer wanted{thinking, answer};
  for (int round = 0; round < 300; ++round) {
    const size_t most = round == 0 ? 1 : 1 + static_cast<size_t>(round) % 9;
    const auto think = split("\n" + thinking + "\n", most, random);
    const auto say = split("\n\n" + answer, most, random);
    EXPECT_EQ(parse(join({think, {close()}, say}), true), wanted);
    EXPECT_EQ(parse(join({{open()}, think, {close()}, say}), false), wanted);
    EXPECT_EQ(parse(join({split(" \n", most, random), {open()}, think, {close()}, say}), false),
              wanted);
  }
}

TEST_F(OutputParserTest, OutputThatEndsWhileReasoningHasNoAnswer) {
  std::mt19937 random(2);
  const std::string text = "\nLet me see.\n\nPerhaps 4";
  const auto tokens = split(text, 4, random);
  // Cut anywhere: all of it is reasoning, and a start of the whole.
  for (size_t count = 0; count <= tokens.size(); ++count) {
    const ThinkingAndAnswer parts =
        parse({tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)}, true);
    EXPECT_EQ(parts.answer, "");
    EXPECT_EQ(std::string("Let me see.\n\nPerhaps 4").find(parts.thinking), 0u);
  }
}

TEST_F(OutputParserTest, WithoutReasoningAllIsTheAnswer) {
  std::mt19937 random(3);
  for (const std::string text : {"Hello there.\n", "\n  indented", " \n"}) {
    EXPECT_EQ(parse(split(text, 3, random), false), (ThinkingAndAnswer{"", text}));
  }
}

TEST_F(OutputParserTest, ATextLikeTheMarkIsNotTheMark) {
  std::mt19937 random(4);
  const auto spelled = split("see </thi", 1, random);
  EXPECT_EQ(parse(spelled, true), (ThinkingAndAnswer{"see </thi", ""}));
}

TEST_F(OutputParserTest, EmptyReasoningIsEmpty) {
  std::mt19937 random(5);
  const auto framed =
      join({{open()}, split("\n\n", 1, random), {close()}, split("\n\nYes", 2, random)});
  EXPECT_EQ(parse(framed, false), (ThinkingAndAnswer{"", "Yes"}));
}

TEST_F(OutputParserTest, ASecondMarkIsText) {
  std::mt19937 random(6);
  const auto twice = join(
      {split("a", 1, random), {close()}, split("b", 1, random), {close()}, split("c", 1, random)});
  EXPECT_EQ(parse(twice, true), (ThinkingAndAnswer{"a", "b</think>c"}));
}

TEST_F(OutputParserTest, CountsTokensOfTheReasoning) {
  std::mt19937 random(7);
  OutputParser parser(*tokenizer_, false);
  EXPECT_FALSE(parser.in_thinking());
  parser.push(open());
  EXPECT_TRUE(parser.in_thinking());
  for (const int32_t token : split("abcde", 1, random)) parser.push(token);
  EXPECT_EQ(parser.thinking_tokens(), 5);
  parser.push(close());
  EXPECT_FALSE(parser.in_thinking());
  parser.push(split("f", 1, random)[0]);
  EXPECT_EQ(parser.thinking_tokens(), 5);
}

TEST_F(OutputParserTest, KnowsAPromptThatEndsInReasoning) {
  const auto ends = [&](const std::vector<int32_t>& prompt, int64_t from) {
    return ends_in_thinking(*tokenizer_, prompt, from);
  };
  EXPECT_TRUE(ends({5, open(), 6}, 1));
  EXPECT_FALSE(ends({5, open(), 6}, 2)) << "the mark is of an earlier turn";
  EXPECT_FALSE(ends({5, open(), close(), 6}, 0));
  EXPECT_TRUE(ends({5, open(), close(), open()}, 0));
  EXPECT_FALSE(ends({5, 6}, 0));
}

}  // namespace
}  // namespace hearth
