// `hearth generate` and `hearth eval` as a user runs them, on the committed checkpoints.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/npy.h"
#include "tests/app/hearth_program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using testing::kModel;
using testing::Outcome;
using testing::run_hearth;
using testing::TempFolder;

nlohmann::json generate_json(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"generate", "-m", kModel,  "-p", "Tell me about the sea.",
                                        "-n",       "24", "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome outcome = run_hearth(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  return nlohmann::json::parse(outcome.out);
}

TEST(Generate, StreamsTheAnswerAndKeepsStatisticsApart) {
  const Outcome outcome =
      run_hearth({"generate", "-m", kModel, "-p", "Hello", "-n", "8", "--temp", "0"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find("tokens/s"), std::string::npos);
  for (const char* part : {"load ", "first token after", "tokens/s", "GB/s", "logits "}) {
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
  const nlohmann::json same = generate_json({"-p", "Hello", "-n", "8", "--temp", "0"});
  EXPECT_EQ(outcome.out, same["text"].get<std::string>() + "\n");
}

TEST(Generate, TheSameSeedGivesTheSameTextAtAnyThreadCount) {
  const auto sampled = [](const char* seed, const char* threads) {
    return generate_json(
        {"--temp", "1.5", "--top-k", "0", "--top-p", "1", "--seed", seed, "-t", threads})["text"];
  };
  EXPECT_EQ(sampled("7", "1"), sampled("7", "2"));
  EXPECT_NE(sampled("7", "1"), sampled("8", "1"));
}

TEST(Generate, StopStringsEndTheAnswerBeforeThem) {
  const auto greedy = [](std::vector<std::string> more) {
    more.insert(more.end(), {"--temp", "0"});
    return generate_json(more);
  };
  const std::string whole = greedy({})["text"];
  ASSERT_GT(whole.size(), 8u);
  // Whole characters from somewhere in the middle.
  size_t begin = whole.size() / 2;
  while ((whole[begin] & 0xc0) == 0x80) ++begin;
  size_t end = std::min(begin + 5, whole.size());
  while (end < whole.size() && (whole[end] & 0xc0) == 0x80) ++end;
  const std::string stop = whole.substr(begin, end - begin);
  const nlohmann::json stopped = greedy({"--stop=never there", "--stop=" + stop});
  EXPECT_EQ(stopped["text"], whole.substr(0, whole.find(stop)));
  EXPECT_EQ(stopped["stop"], "stop");
}

TEST(Generate, EveryFlagOfTheTableIsKnownAndChecked) {
  const nlohmann::json greedy = generate_json(
      {"--temp", "0", "--logit-bias", "70=100", "--logit-bias", "71=-100", "-n", "4"});
  const nlohmann::json forced = generate_json({"--temp", "1", "--logit-bias", "70=100", "-n", "4"});
  EXPECT_EQ(greedy["text"], forced["text"]);
  generate_json({"--repeat-penalty",
                 "1.1",
                 "--presence-penalty",
                 "-0.5",
                 "--frequency-penalty",
                 "0.5",
                 "--repeat-last-n",
                 "64",
                 "--dry-multiplier",
                 "0.8",
                 "--dry-base",
                 "1.5",
                 "--dry-allowed-length",
                 "3",
                 "--dry-penalty-last-n",
                 "100",
                 "--dry-sequence-breaker",
                 ".",
                 "--typical",
                 "0.9",
                 "-n",
                 "4"});
  const auto error = [](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"generate", "-m", kModel, "-p", "Hello"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_hearth(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    return outcome.err;
  };
  EXPECT_EQ(error({"--typical", "1.5"}),
            "hearth: --typical is 1.5: expected a number above 0, up to 1.\n");
  EXPECT_NE(error({"--logit-bias", "999999999=1"}).find("logit_bias"), std::string::npos);
  EXPECT_NE(error({"--stop", ""}).find("--stop"), std::string::npos);
}

TEST(Generate, TheLogitsHashDoesNotDependOnThreadsOrPromptChunks) {
  const auto hash = [](std::vector<std::string> more) {
    more.insert(more.end(), {"--temp", "0"});
    return generate_json(more)["statistics"]["logits_hash"];
  };
  const auto expected = hash({"-t", "1"});
  EXPECT_EQ(hash({"-t", "2"}), expected);
  EXPECT_EQ(hash({"-t", "5"}), expected);
  EXPECT_EQ(hash({"--chunk", "3"}), expected);
  EXPECT_NE(hash({"--isa", "reference"}), expected);
}

TEST(Generate, UsesTheTemplateTheSystemMessageAndRawText) {
  const auto prompt_tokens = [](std::vector<std::string> more) {
    return generate_json(more)["statistics"]["prompt_tokens"].get<int>();
  };
  const int raw = prompt_tokens({"--raw"});
  const int framed = prompt_tokens({});
  EXPECT_GT(framed, raw);
  EXPECT_GT(prompt_tokens({"--system", "Be brief."}), framed);
}

TEST(Generate, SeveralAnswersAreThoseOfTheirSeedsToAPromptThatIsComputedOnce) {
  const std::vector<std::string> drawn = {"--temp", "1.5", "--top-k", "0", "--top-p", "1"};
  const auto answers = [&](std::vector<std::string> more) {
    more.insert(more.end(), drawn.begin(), drawn.end());
    return generate_json(more);
  };
  const nlohmann::json all = answers({"-N", "5", "--parallel", "2", "--seed", "7"});
  ASSERT_TRUE(all.is_array());
  ASSERT_EQ(all.size(), 5u);
  for (size_t i = 0; i < all.size(); ++i) {
    const nlohmann::json one = answers({"--seed", std::to_string(7 + i)});
    EXPECT_EQ(all[i]["seed"], 7 + i);
    EXPECT_EQ(all[i]["text"], one["text"]);
    const nlohmann::json& statistics = all[i]["statistics"];
    const int prompt = one["statistics"]["prompt_tokens"];
    EXPECT_EQ(statistics["prompt_tokens"], prompt);
    EXPECT_EQ(statistics["cached_tokens"], i == 0 ? 0 : prompt - 1);
  }
  EXPECT_NE(all[0]["text"], all[1]["text"]);
  const nlohmann::json in_turn = answers({"-N", "5", "--parallel", "1", "--seed", "7"});
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(in_turn[i]["text"], all[i]["text"]);
    EXPECT_EQ(in_turn[i]["statistics"]["cached_tokens"], all[i]["statistics"]["cached_tokens"]);
  }
}

TEST(Generate, SeveralAnswersArePrintedOneAfterTheOther) {
  const std::vector<std::string> arguments = {"-n", "8", "--temp", "1.5", "--seed", "7"};
  const auto text = [&](const std::string& choices) {
    std::vector<std::string> all = {"generate", "-m", kModel, "-p", "Hello", "--choices", choices};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_hearth(all);
  };
  const Outcome outcome = text("3");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("3 answers: "), std::string::npos) << outcome.err;
  std::vector<std::string> more = arguments;
  more.insert(more.end(), {"-p", "Hello", "-N", "3"});
  std::string expected;
  for (const nlohmann::json& answer : generate_json(more)) {
    if (!expected.empty()) expected += "\n";
    expected += answer["text"].get<std::string>() + "\n";
  }
  EXPECT_EQ(outcome.out, expected);
  EXPECT_TRUE(expected.starts_with(text("1").out));
}

TEST(Generate, ReadsThePromptFromStandardInput) {
  const Outcome piped =
      run_hearth({"generate", "-m", kModel, "-p", "-", "-n", "4", "--temp", "0"}, "printf Hello |");
  const Outcome given =
      run_hearth({"generate", "-m", kModel, "-p", "Hello", "-n", "4", "--temp", "0"});
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_EQ(piped.out, given.out);
}

TEST(Generate, WrongUsageExitsWithCode2) {
  const auto code = [](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"generate", "-m", kModel, "-p", "Hello"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_hearth(arguments);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err, "");
    return outcome.exit_code;
  };
  EXPECT_EQ(code({"--isa", "mmx"}), 2);
  EXPECT_EQ(code({"--temp", "-1"}), 2);
  EXPECT_EQ(code({"--top-p", "0"}), 2);
  EXPECT_EQ(code({"--min-p", "1.1"}), 2);
  EXPECT_EQ(code({"-n", "0"}), 2);
  EXPECT_EQ(code({"-n", "many"}), 2);
  EXPECT_EQ(code({"-n", "100000"}), 2);  // more than the model's positions
  EXPECT_EQ(code({"-t", "-1"}), 2);
  EXPECT_EQ(code({"-N", "0"}), 2);
  EXPECT_EQ(code({"-N", "129"}), 2);
  EXPECT_EQ(code({"--no-such-flag"}), 2);
  EXPECT_EQ(run_hearth({"generate", "-m", kModel}).exit_code, 2);
  EXPECT_EQ(run_hearth({"generate", "-m", kModel, "-p", "", "--raw"}).exit_code, 2);
  EXPECT_EQ(
      run_hearth({"generate", "-m", kModel, "--input", "/nowhere/prompts", "--raw"}).exit_code, 2);
  EXPECT_EQ(run_hearth({}).exit_code, 2);
}

TEST(Generate, AFolderThatLacksAPartIsAnInvalidModel) {
  for (const char* part : {"config.json", "tokenizer.json", "chat_template.jinja",
                           "model.safetensors.index.json", "model-00002-of-00003.safetensors"}) {
    const TempFolder folder;
    const fs::path copy = folder.path() / "model";
    fs::copy(kModel, copy);
    ASSERT_TRUE(fs::remove(copy / part)) << part;
    const Outcome outcome = run_hearth({"generate", "-m", copy.string(), "-p", "Hello"});
    EXPECT_EQ(outcome.exit_code, 3) << part << ": " << outcome.err;
    EXPECT_NE(outcome.err.find(part == std::string("chat_template.jinja") ? "chat_template" : part),
              std::string::npos)
        << outcome.err;
  }
}

TEST(Generate, AContextThatDoesNotFitIsOutOfMemory) {
  const TempFolder folder;
  const fs::path copy = folder.path() / "model";
  fs::copy(kModel, copy);
  auto config = nlohmann::json::parse(testing::read_file(copy / "config.json"));
  config["max_position_embeddings"] = 2'000'000'000;
  fs::remove(copy / "config.json");
  testing::write_file(copy / "config.json", config.dump());
  const Outcome outcome =
      run_hearth({"generate", "-m", copy.string(), "-p", "Hello", "-n", "1900000000"});
  EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("keys and values"), std::string::npos) << outcome.err;
}

TEST(Eval, WritesTheReferencesLogits) {
  const TempFolder folder;
  const std::string file = (folder.path() / "logits.npy").string();
  const Outcome outcome =
      run_hearth({"eval", "-m", kModel, "--tokens", "tests/golden/int4-mixed/prompt.npy", "--exact",
                  "--logits", file});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("perplexity"), std::string::npos);
  const NpyFloats ours = read_npy_floats(file);
  const NpyFloats golden = read_npy_floats("tests/golden/int4-mixed/logits.npy");
  const NpyInts rows = read_npy_ints("tests/golden/int4-mixed/rows.npy");
  const NpyInts prompt = read_npy_ints("tests/golden/int4-mixed/prompt.npy");
  ASSERT_EQ(ours.shape, (std::vector<int64_t>{prompt.shape[0], golden.shape[1]}));
  const size_t vocab = static_cast<size_t>(golden.shape[1]);
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < rows.values.size(); ++i) {
    for (size_t j = 0; j < vocab; ++j) {
      const double expected = golden.values[i * vocab + j];
      const double d = ours.values[static_cast<size_t>(rows.values[i]) * vocab + j] - expected;
      difference += d * d;
      size += expected * expected;
    }
  }
  EXPECT_LE(std::sqrt(difference / size), 1e-4);
}

TEST(Eval, ReadsTokensAndTextAlike) {
  const TempFolder folder;
  const auto perplexity = [](const std::vector<std::string>& arguments) {
    const Outcome outcome = run_hearth(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  };
  testing::write_file(folder.path() / "text", "The sea is wide and cold.");
  const auto text =
      perplexity({"eval", "-m", kModel, "--text", (folder.path() / "text").string(), "--json"});
  testing::write_file(folder.path() / "ids", text["tokens"].dump());
  const auto ids =
      perplexity({"eval", "-m", kModel, "--ids", (folder.path() / "ids").string(), "--json"});
  EXPECT_EQ(text["log_probabilities"], ids["log_probabilities"]);
  EXPECT_EQ(text["log_probabilities"].size() + 1, text["tokens"].size());
}

TEST(Eval, WrongUsageExitsWithCode2) {
  const TempFolder folder;
  const std::string ids = (folder.path() / "ids").string();
  testing::write_file(ids, "1 2 9999999");
  EXPECT_EQ(run_hearth({"eval", "-m", kModel, "--ids", ids}).exit_code, 2);
  testing::write_file(ids, "");
  EXPECT_EQ(run_hearth({"eval", "-m", kModel, "--ids", ids}).exit_code, 2);
  EXPECT_EQ(run_hearth({"eval", "-m", kModel}).exit_code, 2);
  EXPECT_EQ(run_hearth({"eval", "-m", kModel, "--ids", "/nowhere/ids"}).exit_code, 2);
}

}  // namespace
}  // namespace hearth
