// hearth chat and batches of hearth generate, as a script runs them, on a committed checkpoint.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/app/hearth_program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using testing::kModel;
using testing::Outcome;
using testing::TempFolder;

void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Runs a chat whose input is `script`, in `folder`.
Outcome chat(const TempFolder& folder, const std::string& script,
             std::vector<std::string> more = {}) {
  write(folder.path() / "script", script);
  std::vector<std::string> arguments = {"chat", "-m",     kModel, "-n",
                                        "12",   "--temp", "0",    "--no-config"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return testing::run_hearth(arguments, "cat '" + (folder.path() / "script").string() + "' |");
}

/// The figures of statistics lines: prompt tokens and those of them that were cached.
std::vector<std::pair<int, int>> prompts_of(const std::string& err) {
  std::vector<std::pair<int, int>> prompts;
  for (const std::string& line : lines_of(err)) {
    int tokens = 0;
    int cached = 0;
    if (std::sscanf(line.c_str(), "prompt %d tokens, %d of them cached", &tokens, &cached) == 2) {
      prompts.emplace_back(tokens, cached);
    }
  }
  return prompts;
}

TEST(Chat, ALaterTurnComputesOnlyItsNewTokens) {
  const TempFolder folder;
  const Outcome outcome = chat(folder, "Hello there\nWhat is it?\nAnd then?\n");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto prompts = prompts_of(outcome.err);
  ASSERT_EQ(prompts.size(), 3u) << outcome.err;
  EXPECT_EQ(prompts[0].second, 0);
  for (size_t i = 1; i < 3; ++i) {
    // All of the turn before is known, but for the last of its twelve tokens, which was drawn and
    // not computed.
    EXPECT_EQ(prompts[i].second, prompts[i - 1].first + 11) << outcome.err;
  }
}

TEST(Chat, UndoTakesATurnBack) {
  const TempFolder folder;
  const Outcome outcome = chat(folder, "Hello there\n/tokens\nWhat?\n/undo\n/tokens\n");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  std::vector<std::string> counts;
  for (const std::string& line : lines_of(outcome.err)) {
    if (line.find(" of 4096 tokens.") != std::string::npos) counts.push_back(line);
  }
  ASSERT_EQ(counts.size(), 2u) << outcome.err;
  EXPECT_EQ(counts[0], counts[1]);
}

TEST(Chat, ASavedConversationGoesOnWhereItWas) {
  const TempFolder folder;
  const std::string file = (folder.path() / "talk.json").string();
  const Outcome whole = chat(folder, "Hello there\n/save " + file + "\nWhat is it?\n");
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const nlohmann::json saved = nlohmann::json::parse(read(file));
  EXPECT_EQ(saved["format"], "hearth-chat");
  ASSERT_EQ(saved["messages"].size(), 2u);
  EXPECT_EQ(saved["messages"][0]["content"], "Hello there");

  const Outcome later = chat(folder, "What is it?\n", {"--load", file});
  ASSERT_EQ(later.exit_code, 0) << later.err;
  EXPECT_TRUE(whole.out.ends_with(later.out)) << whole.out << "\n---\n" << later.out;
  EXPECT_EQ(chat(folder, "/load " + file + "\nWhat is it?\n").out, later.out);
}

TEST(Chat, AnExportIsAPageToRead) {
  const TempFolder folder;
  const std::string file = (folder.path() / "talk.md").string();
  const Outcome outcome =
      chat(folder, "Hello there\n/export " + file + "\n", {"--system", "Be brief."});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string page = read(file);
  for (const char* part :
       {"# Conversation with int4-mixed", "> Be brief.", "## You\n\nHello there"}) {
    EXPECT_NE(page.find(part), std::string::npos) << page;
  }
}

TEST(Chat, RetryAsksAgainWithAnotherSeed) {
  const TempFolder folder;
  const Outcome outcome = chat(folder, "Hello there\n/retry\n/tokens\n",
                               {"--temp", "1.5", "--top-k", "0", "--top-p", "1", "--seed", "1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto prompts = prompts_of(outcome.err);
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0].first, prompts[1].first);
  EXPECT_GT(prompts[1].second, 0) << "the question is known already";
}

TEST(Chat, SettingsAreCheckedAsFlagsAre) {
  const TempFolder folder;
  const Outcome good = chat(folder, "/set top-k 5\n/set thinking hide\n/set tokens 3\n/set\n");
  ASSERT_EQ(good.exit_code, 0) << good.err;
  EXPECT_NE(good.err.find("top_k                5"), std::string::npos) << good.err;
  for (const char* line :
       {"/set top-p 7\n", "/set nothing 1\n", "/set top-k\n", "/none\n", "/save\n", "/undo\n",
        "/retry\n", "/set tokens 0\n", "/load /nowhere/file\n", "/load /\n"}) {
    const Outcome bad = chat(folder, line);
    EXPECT_EQ(bad.exit_code, 2) << line << bad.err;
    EXPECT_NE(bad.err.find("hearth: "), std::string::npos);
  }
}

TEST(Chat, AFileThatIsNoConversationIsRefused) {
  const TempFolder folder;
  const std::string file = (folder.path() / "bad.json").string();
  const std::string head = R"({"format":"hearth-chat","version":1,"model":"m","system":"",)";
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string(R"({"format":"other"})"),
        std::string(R"({"format":"hearth-chat","version":2})"), head + R"("messages":3})",
        head + R"("messages":[{"role":"user","content":"a"}]})",
        head + R"("messages":[{"role":"assistant","content":"a"},{"role":"user","content":"a"}]})",
        head + R"("messages":[{"role":"user","content":3},{"role":"assistant","content":"a"}]})"}) {
    write(file, text);
    const Outcome outcome = chat(folder, "", {"--load", file});
    EXPECT_EQ(outcome.exit_code, 2) << text << outcome.err;
    EXPECT_NE(outcome.err.find("bad.json"), std::string::npos) << outcome.err;
  }
}

TEST(Chat, AConversationThatOutgrowsTheContextSaysSo) {
  const TempFolder folder;
  const Outcome outcome =
      chat(folder, "Hello there, how are you today?\nAnd now?\nAnd now?\n", {"-c", "64"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("/undo"), std::string::npos) << outcome.err;
}

class Batch : public ::testing::Test {
 protected:
  Outcome run(std::vector<std::string> more = {}, const std::string& before = "") {
    std::vector<std::string> arguments = {"generate", "-m",    kModel,     "--no-config",
                                          "-n",       "16",    "--temp",   "0",
                                          "--input",  input(), "--output", output()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return testing::run_hearth(arguments, before);
  }
  std::string input() const { return (folder_.path() / "in.jsonl").string(); }
  std::string output() const { return (folder_.path() / "out.jsonl").string(); }

  void write_prompts(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      nlohmann::json line = {{"prompt", "Question " + std::to_string(i * 7919) +
                                            std::string(static_cast<size_t>(i % 13), '?')},
                             {"id", i},
                             {"max_tokens", 1 + i % 16}};
      text += line.dump() + "\n";
    }
    write(input(), text);
  }

  TempFolder folder_;
};

TEST_F(Batch, AnswersAreThoseOfOneByOneInOrder) {
  write_prompts(24);
  const Outcome outcome = run({"--parallel", "5"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto together = lines_of(read(output()));
  ASSERT_EQ(together.size(), 24u);
  fs::remove(output());
  ASSERT_EQ(run({"--parallel", "1"}).exit_code, 0);
  EXPECT_EQ(lines_of(read(output())), together);
  for (size_t i = 0; i < together.size(); ++i) {
    const nlohmann::json line = nlohmann::json::parse(together[i]);
    EXPECT_EQ(line["index"], i);
    EXPECT_EQ(line["id"], i);
    EXPECT_LE(line["usage"]["completion_tokens"].get<size_t>(), 1 + i % 16);
  }
  const nlohmann::json first = nlohmann::json::parse(together[3]);
  const Outcome alone = testing::run_hearth(
      {"generate", "-m", kModel, "--no-config", "-p",
       nlohmann::json::parse(lines_of(read(input()))[3])["prompt"].get<std::string>(), "-n", "4",
       "--temp", "0", "--json"});
  EXPECT_EQ(nlohmann::json::parse(alone.out)["text"], first["text"]);
}

TEST_F(Batch, AKilledRunGoesOn) {
  write_prompts(500);
  ASSERT_EQ(run().exit_code, 0);
  const std::string whole = read(output());
  fs::remove(output());
  for (const char* seconds : {"0.25", "0.4"})
    run({"-t", "1"}, "timeout -s KILL " + std::string(seconds));
  const std::string part = read(output());
  EXPECT_TRUE(whole.starts_with(part.substr(0, part.rfind('\n') + 1)));
  // Torn as by a crash in the middle of a line.
  write(output(), whole.substr(0, std::max(part.size(), whole.size() / 3)));
  const Outcome last = run();
  EXPECT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(read(output()), whole);
  EXPECT_EQ(run().exit_code, 0) << "nothing is left to do";
}

TEST_F(Batch, LinesThatCannotBeAnsweredDoNotStopTheOthers) {
  write(input(),
        "{\"prompt\":\"Hello\"}\nnonsense\n{\"prompt\":3}\n{\"messages\":{}}\n{}\n"
        "{\"prompt\":\"a\",\"top_p\":7}\n{\"prompt\":\"a\",\"max_tokens\":99}\n"
        "{\"prompt\":\"a\",\"n\":0}\n{\"prompt\":\"a\",\"tools\":[\"b\"]}\n"
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"id\":\"x\"}\n");
  const Outcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("8 of 10 lines"), std::string::npos) << outcome.err;
  const auto lines = lines_of(read(output()));
  ASSERT_EQ(lines.size(), 10u);
  const auto at = [&](size_t i) { return nlohmann::json::parse(lines[i]); };
  for (size_t i = 1; i < 9; ++i) EXPECT_TRUE(at(i)["error"]["message"].is_string()) << lines[i];
  EXPECT_EQ(at(9)["id"], "x");
  EXPECT_EQ(at(9)["text"], at(0)["text"]);
}

TEST_F(Batch, ALineMayHaveSeveralAnswers) {
  const auto line = [](const std::string& prompt, int seed, int count) {
    const nlohmann::json json = {
        {"prompt", prompt}, {"seed", seed}, {"n", count}, {"temperature", 1.5}, {"max_tokens", 8}};
    return json.dump() + "\n";
  };
  // Before it those that it consists of.
  std::string text;
  for (int i = 0; i < 5; ++i) text += line("Hello there", 3 + i, 1);
  write(input(), text + line("Hello there", 3, 5) + line("Who is it?", 9, 2));
  ASSERT_EQ(run({"--parallel", "2"}).exit_code, 0);
  const std::string together = read(output());
  const auto lines = lines_of(together);
  ASSERT_EQ(lines.size(), 7u);
  const auto at = [&](size_t i) { return nlohmann::json::parse(lines[i]); };
  ASSERT_EQ(at(5)["choices"].size(), 5u) << lines[5];
  int tokens = 0;
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(at(5)["choices"][i]["text"], at(i)["text"]);
    EXPECT_EQ(at(5)["choices"][i]["finish_reason"], at(i)["finish_reason"]);
    tokens += at(i)["usage"]["completion_tokens"].get<int>();
  }
  EXPECT_EQ(at(5)["usage"]["prompt_tokens"], at(0)["usage"]["prompt_tokens"]);
  EXPECT_EQ(at(5)["usage"]["completion_tokens"], tokens);
  EXPECT_FALSE(at(5).contains("text"));
  EXPECT_EQ(at(6)["choices"].size(), 2u);
  fs::remove(output());
  ASSERT_EQ(run({"--parallel", "16"}).exit_code, 0);
  EXPECT_EQ(read(output()), together);
}

TEST_F(Batch, ToolsReachTheTemplate) {
  const nlohmann::json function = {{"name", "weather"}, {"parameters", nlohmann::json::object()}};
  const nlohmann::json tool = {{"type", "function"}, {"function", function}};
  const nlohmann::json with = {{"prompt", "Hello"}, {"tools", nlohmann::json::array({tool})}};
  write(input(),
        "{\"prompt\":\"Hello\"}\n" + with.dump() + "\n" + "{\"prompt\":\"Hello\",\"tools\":[]}\n");
  const Outcome outcome = run();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto lines = lines_of(read(output()));
  ASSERT_EQ(lines.size(), 3u);
  const auto tokens = [&](size_t i) {
    return nlohmann::json::parse(lines[i])["usage"]["prompt_tokens"].get<int>();
  };
  EXPECT_GT(tokens(1), tokens(0) + 10);
  EXPECT_EQ(tokens(2), tokens(0));
}

TEST_F(Batch, AFolderIsNoInput) {
  fs::create_directory(input());
  const Outcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("in.jsonl: cannot be read: it is a folder."), std::string::npos)
      << outcome.err;
}

TEST_F(Batch, AnOutputOfAnotherInputIsRefused) {
  write_prompts(3);
  ASSERT_EQ(run().exit_code, 0);
  write(input(), "{\"prompt\":\"Other\"}\n{\"prompt\":\"Other\"}\n{\"prompt\":\"Other\"}\n");
  const Outcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("line 1"), std::string::npos) << outcome.err;
}

TEST_F(Batch, CtrlCKeepsWhatIsThere) {
  write_prompts(3000);
  // Once the first answer is written, the program is surely listening.
  const std::string script =
      "\"$0\" generate -m \"$1\" --no-config -n 16 --temp 0 --parallel 1 --input \"$2\" --output "
      "\"$3\" & p=$!; while [ ! -s \"$3\" ]; do sleep 0.01; done; kill -INT $p; wait $p";
  const Outcome outcome =
      testing::run_program("sh", {"-c", script, HEARTH_PROGRAM, kModel, input(), output()});
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_NE(outcome.err.find("Run the same command again"), std::string::npos) << outcome.err;
  const std::string part = read(output());
  EXPECT_LT(lines_of(part).size(), 3000u);
  EXPECT_EQ(part.back(), '\n');
}

}  // namespace
}  // namespace hearth
