// Answers drawn at random under a constraint, by a model that has no idea.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "answer/answer_constraint.h"
#include "base/clock.h"
#include "text/tokenizer.h"

namespace hearth::testing {

struct RandomAnswer {
  std::vector<int32_t> tokens;  // without the end token
  std::string text;
  bool whole = false;          // it ended by itself
  double seconds = 0;          // spent on the constraint
  double slowest_seconds = 0;  // of one token
};

/// Draws any allowed token; behind the first `wild` ones mostly what brings the end nearer: the end
/// token, or else what closes something. Free text in XML ends with its closing tag.
inline RandomAnswer random_answer(const Tokenizer& tokenizer, AnswerConstraint& constraint,
                                  std::mt19937& random, size_t wild = 30) {
  static const char* const kClosing[] = {"\"", "@", "}", "]", "</tool_call>", "z", ",", ":"};
  constexpr size_t kMostTokens = 3000;
  const int32_t end = *tokenizer.token_id("<|im_end|>");
  RandomAnswer answer;
  std::vector<int32_t> closing;  // that is being written, the last first
  while (answer.tokens.size() < kMostTokens) {
    Stopwatch clock;
    const std::span<const uint32_t> mask = constraint.allowed();
    double seconds = clock.seconds();
    std::vector<int32_t> allowed;
    for (size_t word = 0; word < mask.size(); ++word) {
      for (uint32_t bits = mask[word]; bits != 0; bits &= bits - 1) {
        allowed.push_back(static_cast<int32_t>(word * 32) + std::countr_zero(bits));
      }
    }
    if (allowed.empty()) {
      ADD_FAILURE() << "nothing is allowed after " << answer.text;
      return answer;
    }
    const auto may = [&](int32_t id) {
      return (mask[static_cast<size_t>(id) / 32] >> id % 32) % 2 == 1;
    };
    const auto may_text = [&](const char* token) {
      const auto id = tokenizer.token_id(token);
      return id && may(*id);
    };
    int32_t token = allowed[random() % allowed.size()];
    const bool free_text = may_text("Ċ") && may_text("q") && may_text("<");
    if (answer.tokens.size() >= wild && closing.empty() && free_text) {
      for (const char* byte = "\n>retemarap/<\n"; *byte != 0; ++byte) {  // from its end
        closing.push_back(tokenizer.encode(std::string(1, *byte)).at(0));
      }
    }
    if (!closing.empty()) {
      token = closing.back();
      closing.pop_back();
    } else if (answer.tokens.size() >= wild) {
      for (int tries = 0; tries < 8 && tokenizer.token_text(token).size() > 1; ++tries) {
        token = allowed[random() % allowed.size()];
      }
      for (const char* text : kClosing) {
        if (!may_text(text) || random() % 4 == 0) continue;
        token = *tokenizer.token_id(text);
        break;
      }
      if (may(end)) token = end;
    }
    answer.whole = token == end || tokenizer.is_special(token);
    clock.restart();
    constraint.accept(token);
    seconds += clock.seconds();
    answer.seconds += seconds;
    answer.slowest_seconds = std::max(answer.slowest_seconds, seconds);
    if (answer.whole) break;
    answer.tokens.push_back(token);
  }
  answer.text = tokenizer.decode(answer.tokens, false);
  EXPECT_EQ(constraint.error(), "");
  EXPECT_TRUE(answer.whole) << answer.text.substr(0, 500);
  return answer;
}

}  // namespace hearth::testing
