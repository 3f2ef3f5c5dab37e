// What the text module says of folders whose files are absent or wrong.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/temp_folder.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace hearth {
namespace {

using testing::TempFolder;
using testing::write_file;

constexpr const char* kMessages = R"([{"role": "user", "content": "Hi"}])";
constexpr const char* kTools = R"([{"name": "f"}])";

template <typename Load>
LoadProblem problem_of(Load load) {
  try {
    load();
  } catch (const LoadError& error) {
    EXPECT_EQ(error.code(), ExitCode::kInvalidModel);
    EXPECT_FALSE(error.problem().advice.empty());
    return error.problem();
  }
  ADD_FAILURE() << "no LoadError";
  return {};
}

LoadProblem tokenizer_problem(const std::string& json) {
  TempFolder folder;
  write_file(folder.path() / "tokenizer.json", json);
  return problem_of([&] { Tokenizer tokenizer(folder.path()); });
}

LoadProblem config_problem(const std::string& json) {
  TempFolder folder;
  write_file(folder.path() / "tokenizer_config.json", json);
  return problem_of([&] { ChatTemplate chat_template(folder.path()); });
}

TEST(LoadingText, TokenizerIsAbsentOrInvalid) {
  TempFolder folder;
  const LoadProblem absent = problem_of([&] { Tokenizer tokenizer(folder.path()); });
  EXPECT_EQ(absent.file, folder.path() / "tokenizer.json");
  EXPECT_EQ(absent.found, "no such file");
  for (const char* json :
       {"", "{", "[]", "{}", "\xFF\xFE", R"({"model": {"type": "BPE"}})",
        R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}})",
        R"({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})"}) {
    EXPECT_FALSE(tokenizer_problem(json).found.empty()) << json;
  }
  const std::string bare = R"({"version": "1.0", "truncation": null, "padding": null,
      "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
      "decoder": null, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})";
  EXPECT_EQ(tokenizer_problem(bare).found, "its decoder is not ByteLevel");
}

TEST(LoadingText, TokenizerIsAFolder) {
  TempFolder folder;
  std::filesystem::create_directory(folder.path() / "tokenizer.json");
  EXPECT_EQ(problem_of([&] { Tokenizer tokenizer(folder.path()); }).expected, "a readable file");
}

TEST(LoadingText, TemplateIsAbsent) {
  TempFolder folder;
  const LoadProblem absent = problem_of([&] { ChatTemplate chat_template(folder.path()); });
  EXPECT_EQ(absent.file, folder.path() / "chat_template.jinja");
  EXPECT_EQ(absent.found, "none");
  EXPECT_EQ(config_problem("{}").found, "none");
  EXPECT_EQ(config_problem(R"({"chat_template": null})").found, "none");
}

TEST(LoadingText, ConfigIsInvalid) {
  EXPECT_EQ(config_problem("{").found, "no JSON");
  EXPECT_EQ(config_problem("[]").found, "array");
  EXPECT_EQ(config_problem(R"({"chat_template": 3})").where, "chat_template");
  EXPECT_EQ(config_problem(R"({"chat_template": [{"name": "default"}]})").found,
            "a list of others");
  EXPECT_EQ(config_problem(R"({"chat_template": []})").found, "none");
}

TEST(LoadingText, TemplateDoesNotParse) {
  const LoadProblem problem = config_problem(R"({"chat_template": "a\n{% if %}"})");
  EXPECT_EQ(problem.where, "chat_template");
  EXPECT_NE(problem.found.find("line 2"), std::string::npos) << problem.found;
}

TEST(LoadingText, TemplateComesFromEitherFile) {
  TempFolder folder;
  const auto render = [&](const char* tools) {
    return ChatTemplate(folder.path()).render(kMessages, tools, {});
  };
  write_file(folder.path() / "tokenizer_config.json",
             R"({"chat_template": "string {{ eos_token }}", "eos_token": {"content": "E"}})");
  EXPECT_EQ(render(""), "string E");
  write_file(folder.path() / "tokenizer_config.json",
             R"({"chat_template": [{"name": "tool_use", "template": "tools"},
                                   {"name": "default", "template": "default"}]})");
  EXPECT_EQ(render(""), "default");
  EXPECT_EQ(render("null"), "default");
  EXPECT_EQ(render(kTools), "tools");
  write_file(folder.path() / "chat_template.jinja", "file");
  EXPECT_EQ(render(kTools), "file");
}

TEST(RenderingErrors, NameTheTemplateAndTheLine) {
  TempFolder folder;
  write_file(folder.path() / "chat_template.jinja", "a\n{{ raise_exception('No <system> here') }}");
  const ChatTemplate chat_template(folder.path());
  try {
    (void)chat_template.render(kMessages, "", {});
    FAIL();
  } catch (const TemplateError& error) {
    EXPECT_EQ(error.line(), 2);
    EXPECT_EQ(error.detail(), "No <system> here");
    EXPECT_STREQ(error.what(), "chat_template.jinja:2: No <system> here");
  }
}

TEST(RenderingErrors, InputThatIsNoConversation) {
  TempFolder folder;
  write_file(folder.path() / "chat_template.jinja", "x");
  const ChatTemplate chat_template(folder.path());
  for (const char* messages : {"", "{", "{}", "3", "[3]", "[{}", "[\"\\ud800\"]"}) {
    EXPECT_THROW(chat_template.render(messages, "", {}), TemplateError) << messages;
  }
  for (const char* tools : {"{", "{}", "[3]", "\"f\""}) {
    EXPECT_THROW(chat_template.render(kMessages, tools, {}), TemplateError) << tools;
  }
  EXPECT_THROW(chat_template.render(kMessages, "", {.extra_json = "[]"}), TemplateError);
}

}  // namespace
}  // namespace hearth
