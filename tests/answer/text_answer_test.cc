// Answers as text: the budget of reasoning, stop strings, and who hears what when.
#include "answer/text_answer.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth {
namespace {

class TextAnswerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { tokenizer_ = new Tokenizer("tests/checkpoints/int4-mixed"); }
  static void TearDownTestSuite() { delete tokenizer_; }

  static std::vector<int32_t> tokens_of(const std::string& text) {
    return tokenizer_->encode(text);
  }
  static int32_t close() { return *tokenizer_->token_id("</think>"); }

  static inline Tokenizer* tokenizer_ = nullptr;
};

TEST_F(TextAnswerTest, ReasoningEndsWithItsBudgetToTheToken) {
  const std::vector<int32_t> thinking = tokens_of("one two three four five six seven");
  for (int64_t budget = 0; budget < static_cast<int64_t>(thinking.size()); ++budget) {
    TextAnswer answer(*tokenizer_, {.starts_in_thinking = true, .thinking_budget = budget});
    for (int64_t i = 0; i < budget; ++i) {
      ASSERT_LT(answer.forced_token(), 0) << "within the budget nothing is forced";
      ASSERT_TRUE(answer.on_token(thinking[static_cast<size_t>(i)]));
    }
    ASSERT_EQ(answer.forced_token(), close());
    ASSERT_TRUE(answer.on_token(close()));
    for (const int32_t token : tokens_of("\n\nThe answer.")) {
      ASSERT_LT(answer.forced_token(), 0);
      ASSERT_TRUE(answer.on_token(token));
    }
    answer.on_finish(FinishReason::kEndToken, {});
    EXPECT_EQ(answer.thinking_tokens(), budget);
    EXPECT_EQ(answer.answer(), "The answer.");
    EXPECT_EQ(answer.finish_reason(), "eos");
  }
}

TEST_F(TextAnswerTest, WithoutReasoningTheBudgetForcesNothing) {
  TextAnswer answer(*tokenizer_, {.thinking_budget = 0});
  for (const int32_t token : tokens_of("Just an answer.")) {
    EXPECT_LT(answer.forced_token(), 0);
    EXPECT_TRUE(answer.on_token(token));
  }
  answer.on_finish(FinishReason::kEndToken, {});
  EXPECT_EQ(answer.answer(), "Just an answer.");
}

TEST_F(TextAnswerTest, StopStringsEndAnswersAndNotReasoning) {
  TextAnswer answer(*tokenizer_, {.starts_in_thinking = true, .stop = {"STOP"}});
  for (const int32_t token : tokens_of("STOP is a word")) ASSERT_TRUE(answer.on_token(token));
  ASSERT_TRUE(answer.on_token(close()));
  bool goes_on = true;
  for (const int32_t token : tokens_of("Say STOP now")) {
    if (goes_on) goes_on = answer.on_token(token);
  }
  EXPECT_FALSE(goes_on);
  answer.on_finish(FinishReason::kStopped, {});
  EXPECT_EQ(answer.thinking(), "STOP is a word");
  EXPECT_EQ(answer.answer(), "Say ");
  EXPECT_EQ(answer.finish_reason(), "stop");
}

TEST_F(TextAnswerTest, OfARawTextAllIsAnswer) {
  TextAnswer answer(*tokenizer_, {.split_thinking = false, .thinking_budget = 0, .stop = {"STOP"}});
  bool goes_on = true;
  for (const int32_t token : tokens_of("\n<think>Hm.\n</think>\n\nYes. STOP now")) {
    EXPECT_LT(answer.forced_token(), 0);
    if (goes_on) goes_on = answer.on_token(token);
  }
  EXPECT_FALSE(goes_on);
  answer.on_finish(FinishReason::kStopped, {});
  EXPECT_EQ(answer.answer(), "\n<think>Hm.\n</think>\n\nYes. ");
  EXPECT_EQ(answer.thinking(), "");
  EXPECT_EQ(answer.thinking_tokens(), 0);
  EXPECT_EQ(answer.finish_reason(), "stop");
}

TEST_F(TextAnswerTest, PiecesShownAreTheWhole) {
  OutputPiece shown;
  int first_tokens = 0;
  TextAnswer answer(*tokenizer_, {.starts_in_thinking = true,
                                  .show =
                                      [&](const OutputPiece& piece) {
                                        shown.thinking += piece.thinking;
                                        shown.answer += piece.answer;
                                      },
                                  .on_first_token = [&] { ++first_tokens; }});
  for (const int32_t token : tokens_of("Hm.\n</think>\n\nYes, 日本.")) answer.on_token(token);
  answer.on_finish(FinishReason::kLength, {});
  EXPECT_EQ(shown.thinking, answer.thinking());
  EXPECT_EQ(shown.answer, answer.answer());
  EXPECT_EQ(shown.thinking, "Hm.");
  EXPECT_EQ(shown.answer, "Yes, 日本.");
  EXPECT_EQ(first_tokens, 1);
  EXPECT_EQ(answer.finish_reason(), "length");
}

TEST_F(TextAnswerTest, AnInterruptionKeepsWhatIsThere) {
  TextAnswer answer(*tokenizer_, {.interrupted = [] { return true; }});
  EXPECT_FALSE(answer.on_token(tokens_of("Yes")[0]));
  answer.on_finish(FinishReason::kStopped, {});
  EXPECT_EQ(answer.finish_reason(), "interrupted");
  EXPECT_FALSE(answer.answer().empty());
}

TEST_F(TextAnswerTest, AnEmptyStopStringIsRefused) {
  EXPECT_THROW(TextAnswer(*tokenizer_, {.stop = {""}}), UsageError);
}

}  // namespace
}  // namespace hearth
