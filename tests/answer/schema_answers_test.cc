// Answers to 500 schemas, each drawn at random under its constraint, and judged by an
// implementation of JSON Schema that has nothing to do with the one that constrains them.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "answer/answer_constraint.h"
#include "answer/api_error.h"
#include "tests/answer/random_answer.h"
#include "tests/answer/random_schema.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using nlohmann::ordered_json;

constexpr int kSchemas = 500;
constexpr int kAnswersEach = 2;

struct Costs {
  int refused = 0;
  int64_t tokens = 0;
  double seconds = 0;
  double slowest_seconds = 0;
  double compile_seconds = 0;
  double slowest_compile_seconds = 0;
};

ConstraintCompiler compiler_for(const Tokenizer& tokenizer, int64_t logits) {
  return ConstraintCompiler(tokenizer, {*tokenizer.token_id("<|im_end|>")}, logits,
                            CallForm::kNone);
}

AnswerRequest request_for(const ordered_json& schema) {
  AnswerRequest request{.input = ChatInput{}};
  request.format = {AnswerFormat::Kind::kJsonSchema, schema.dump()};
  return request;
}

Costs write_answers(const Tokenizer& tokenizer, int schemas, std::ostream& out) {
  Costs costs;
  ConstraintCompiler compiler = compiler_for(tokenizer, tokenizer.vocab_size());
  compiler.compile(request_for(ordered_json::parse("{}")));  // builds the vocabulary
  std::mt19937 random(7);
  for (int i = 0; i < schemas; ++i) {
    const ordered_json schema = testing::random_schema(random);
    Stopwatch clock;
    std::optional<TokenMatcher> matcher;
    try {
      matcher = compiler.compile(request_for(schema));
    } catch (const ApiError& error) {
      ++costs.refused;
      std::printf("refused: %s\n  %s\n", error.what(), schema.dump().c_str());
      continue;
    }
    const double seconds = clock.seconds();
    costs.compile_seconds += seconds;
    costs.slowest_compile_seconds = std::max(costs.slowest_compile_seconds, seconds);
    for (int each = 0; each < kAnswersEach; ++each) {
      AnswerConstraint constraint(matcher->fork(), compiler.tokens(), false);
      const testing::RandomAnswer answer =
          testing::random_answer(tokenizer, constraint, random, each == 0 ? 0 : 30);
      costs.tokens += static_cast<int64_t>(answer.tokens.size()) + 1;
      costs.seconds += answer.seconds;
      costs.slowest_seconds = std::max(costs.slowest_seconds, answer.slowest_seconds);
      out << ordered_json({{"schema", schema}, {"answer", answer.text}}).dump() << '\n';
    }
  }
  return costs;
}

void print(const char* name, const Costs& costs, int schemas) {
  std::printf(
      "%s: %.0f us per token (%lld tokens, the slowest %.1f ms), %.1f ms per schema (the "
      "slowest %.0f ms), %d of %d schemas refused\n",
      name, costs.seconds / static_cast<double>(costs.tokens) * 1e6,
      static_cast<long long>(costs.tokens), costs.slowest_seconds * 1e3,
      costs.compile_seconds / (schemas - costs.refused) * 1e3, costs.slowest_compile_seconds * 1e3,
      costs.refused, schemas);
}

TEST(SchemaAnswersTest, EveryAnswerValidates) {
  const testing::TempFolder folder;
  const std::filesystem::path path = folder.path() / "answers.jsonl";
  {
    std::ofstream out(path);
    const Costs costs = write_answers(Tokenizer("tests/checkpoints/int4-mixed"), kSchemas, out);
    print("1,016 tokens", costs, kSchemas);
    EXPECT_EQ(costs.refused, 0);
  }
  const std::string command = "python3 tests/answer/validate_answers.py '" + path.string() + "'";
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "python3-jsonschema is not installed";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

/// The cost at the size of a real vocabulary.
TEST(SchemaAnswersTest, MasksOfTheRealVocabularyCostLittle) {
  const std::filesystem::path folder = HEARTH_QWEN3_TOKENIZER;
  if (!std::filesystem::exists(folder / "tokenizer.json")) {
    GTEST_SKIP() << "the Qwen3 tokenizer was not fetched";
  }
  constexpr int kFewer = 60;
  const Tokenizer tokenizer(folder);
  Stopwatch clock;
  compiler_for(tokenizer, tokenizer.vocab_size()).compile(request_for(ordered_json::parse("{}")));
  std::printf("the vocabulary takes %.2f s\n", clock.seconds());
  std::ostringstream out;
  const Costs costs = write_answers(tokenizer, kFewer, out);
  print("the Qwen3 vocabulary", costs, kFewer);
  // A token of a large model takes 50 ms; this leaves room for slow and busy machines.
  EXPECT_LT(costs.seconds / static_cast<double>(costs.tokens), 5e-3);
}

}  // namespace
}  // namespace hearth
