// Prompts are those of jinja2 as transformers calls it, recorded by tools/reference/record_text.py.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using Json = nlohmann::json;
using testing::TempFolder;
using testing::write_file;

constexpr const char* kSpecialTokens =
    R"({"bos_token": null, "eos_token": {"content": "<|im_end|>"}, "pad_token": "<|endoftext|>"})";

std::vector<Json> read_lines(const std::string& name) {
  std::ifstream file("tests/text/golden/" + name);
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
  EXPECT_FALSE(rows.empty()) << name;
  return rows;
}

ChatTemplate from_source(const std::string& source) {
  TempFolder folder;
  write_file(folder.path() / "chat_template.jinja", source);
  write_file(folder.path() / "tokenizer_config.json", kSpecialTokens);
  return ChatTemplate(folder.path());
}

/// The text, or `error`: which error it is may differ, that there is one may not.
template <typename Render>
std::string text_or_error(Render render, std::string* message) {
  try {
    return render();
  } catch (const Error& error) {
    *message = error.what();
    return "error";
  }
}

std::string expected_text(const Json& outcome) {
  return outcome.contains("error") ? "error" : outcome["text"].get<std::string>();
}

std::string render_row(const ChatTemplate& chat_template, const Json& row) {
  const TemplateOptions options{.add_generation_prompt = row["add_generation_prompt"],
                                .extra_json = row.value("extra", "")};
  return chat_template.render(row["messages"].get<std::string>(), row.value("tools", ""), options);
}

class ModelTemplate : public ::testing::TestWithParam<const char*> {};

TEST_P(ModelTemplate, RendersAsTransformers) {
  const std::string name = GetParam();
  const ChatTemplate chat_template =
      from_source(testing::read_file("tests/text/templates/" + name + ".jinja"));
  const std::vector<Json> rows = read_lines("templates.jsonl");
  EXPECT_GE(rows.size(), 200u);
  for (const Json& row : rows) {
    const Json& outcome = row["rendered"][name];
    std::string message;
    EXPECT_EQ(text_or_error([&] { return render_row(chat_template, row); }, &message),
              expected_text(outcome))
        << row["messages"] << "\nhere: " << message << "\nthere: " << outcome.value("error", "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, ModelTemplate, ::testing::Values("instruct", "thinking", "coder"));

TEST(ChatTemplate, DoesWhatJinjaAndPythonDo) {
  const Json context = read_lines("snippet_context.json").front();
  const std::string messages = context["messages"].get<std::string>();
  const TemplateOptions options{.extra_json = context["extra"].get<std::string>()};
  for (const Json& row : read_lines("snippets.jsonl")) {
    const std::string source = row["source"];
    std::string message;
    const auto render = [&] { return from_source(source).render(messages, "", options); };
    EXPECT_EQ(text_or_error(render, &message), expected_text(row))
        << source << "\nhere: " << message << "\nthere: " << row.value("error", "");
  }
}

}  // namespace
}  // namespace hearth
