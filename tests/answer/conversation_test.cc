// What has been computed of a conversation is not computed again: counted, turn after turn.
#include <gtest/gtest.h>

#include "answer/engine_answer_service.h"
#include "tests/answer/served_model.h"
#include "tests/support/temp_folder.h"

namespace hearth::testing {
namespace {

using Json = nlohmann::ordered_json;

/// The shape of the templates of Thinking models: the turn opens inside of reasoning, and earlier
/// reasoning is left out, but for that since the user's last message.
constexpr const char* kThinkingTemplate = R"(
{%- set state = namespace(last=0) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set state.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' -}}
{%- if message.role == 'assistant' and message.reasoning_content and loop.index0 > state.last -%}
{{- '<think>\n' + message.reasoning_content + '</think>' -}}
{%- endif -%}
{{- message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n<think>\n' -}}{%- endif -%}
)";

/// A folder with the checkpoint's tokenizer and that template.
void write_thinking_folder(const std::filesystem::path& folder) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy_file(std::filesystem::path(kCheckpoint) / name, folder / name);
  }
  write_file(folder / "chat_template.jinja", kThinkingTemplate);
}

class ConversationTest : public ::testing::Test {
 protected:
  static constexpr RunNeeds kNeeds{
      .context_tokens = 4096, .sequences = 2, .snapshots = 12, .chunk_tokens = 128};

  /// A turn of the conversation: the answer joins it.
  AnswerDone turn(ServedModel& served, const char* role, const std::string& text) {
    messages_.push_back({{"role", role}, {"content", text}});
    AnswerRequest request{.input = ChatInput{.messages = messages_},
                          .sampling = {.temperature = 0, .logit_bias = words_},
                          .max_tokens = 14,
                          .thinking_budget = 5};
    const auto listener = served.answer(std::move(request));
    EXPECT_EQ(listener->error(), nullptr);
    if (listener->error()) return {};
    Json answer = {{"role", "assistant"}, {"content", listener->answer()}};
    if (!listener->thinking().empty()) answer["reasoning_content"] = listener->thinking();
    messages_.push_back(answer);
    return listener->done();
  }

  static std::string question(int turn) {
    return "Question number " + std::to_string(turn) + ": what comes after it?";
  }

  Json messages_ = Json::array();
  Tokenizer tokenizer_{std::filesystem::path(kCheckpoint)};
  std::vector<LogitBias> words_ = words_only(tokenizer_, 1000);
};

TEST_F(ConversationTest, TwentyTurnsComputeEachTokenOnce) {
  ServedModel served(kNeeds);
  messages_.push_back({{"role", "system"}, {"content", "Answer in words."}});
  int64_t computed = 0;
  int64_t length = 0;
  for (int i = 0; i < 20; ++i) {
    const GenerationUsage usage = turn(served, "user", question(i)).usage;
    // The last token of an answer is not computed before the next turn.
    computed += usage.prompt_tokens - usage.cached_tokens + usage.generated_tokens - 1;
    length = usage.prompt_tokens + usage.generated_tokens - 1;
    if (i > 0) {
      EXPECT_GT(usage.cached_tokens, 0) << "turn " << i;
    }
  }
  EXPECT_EQ(computed, length);
}

TEST_F(ConversationTest, WithThinkingEachTokenOfTheMessagesIsComputedOnce) {
  const TempFolder folder;
  write_thinking_folder(folder.path());
  ServedModel served(kNeeds, {}, folder.path());
  ChatFormat format(folder.path());
  int64_t messages_end = 0;
  for (int i = 0; i < 20; ++i) {
    Json asked = messages_;
    asked.push_back({{"role", "user"}, {"content", question(i)}});
    const AnswerDone done = turn(served, "user", question(i));
    EXPECT_EQ(done.thinking_tokens, 5);
    EXPECT_FALSE(messages_.back().value("content", "").empty());
    // The reasoning is gone from the prompt: what precedes it is there, up to where it began.
    EXPECT_EQ(done.usage.cached_tokens, messages_end) << "turn " << i;
    messages_end = format.prompt(asked).messages_end;
  }
}

TEST_F(ConversationTest, AToolLoopComputesEachTokenOnce) {
  const TempFolder folder;
  write_thinking_folder(folder.path());
  ServedModel served(kNeeds, {}, folder.path());
  GenerationUsage usage = turn(served, "user", question(0)).usage;
  int64_t computed = usage.prompt_tokens + usage.generated_tokens - 1;
  for (int i = 1; i < 20; ++i) {
    usage = turn(served, "tool", "Result " + std::to_string(i)).usage;
    computed += usage.prompt_tokens - usage.cached_tokens + usage.generated_tokens - 1;
  }
  EXPECT_EQ(computed, usage.prompt_tokens + usage.generated_tokens - 1);
}

TEST_F(ConversationTest, AnotherConversationFindsTheSystemPrompt) {
  ServedModel served(kNeeds);
  std::string long_text;
  for (int i = 0; i < 120; ++i) long_text += "Rule " + std::to_string(i) + " is to be kind. ";
  const Json system = {{"role", "system"}, {"content", long_text}};
  messages_ = Json::array({system});
  const GenerationUsage first = turn(served, "user", "Good morning, who are you?").usage;
  EXPECT_EQ(first.cached_tokens, 0);
  messages_ = Json::array({system});
  const AnswerDone second = turn(served, "user", "What is the capital of France?");
  const int64_t system_tokens = static_cast<int64_t>(
      tokenizer_.encode("<|im_start|>system\n" + long_text + "<|im_end|>").size());
  EXPECT_GE(second.usage.cached_tokens, system_tokens);
  EXPECT_LT(second.usage.cached_tokens, second.usage.prompt_tokens);
}

TEST_F(ConversationTest, AChangedStartIsNamed) {
  ServedModel served(kNeeds);
  messages_.push_back({{"role", "system"}, {"content", "Today is Monday."}});
  EXPECT_FALSE(turn(served, "user", "Hello").miss.has_value());
  Json changed = messages_;
  changed[0]["content"] = "Today is Friday.";
  messages_ = changed;
  const AnswerDone done = turn(served, "user", "Hello again");
  EXPECT_EQ(done.usage.cached_tokens, 0);
  ASSERT_TRUE(done.miss.has_value());
  EXPECT_EQ(done.miss->position,
            static_cast<int64_t>(tokenizer_.encode("<|im_start|>system\nToday is").size()));
  EXPECT_NE(done.miss->text, done.miss->remembered);
  EXPECT_EQ(done.miss->text.substr(0, 2), " F");
  EXPECT_EQ(done.miss->remembered.substr(0, 2), " M");
}

TEST_F(ConversationTest, AnAnswerGoesOnWithWhatTheAssistantSaid) {
  ServedModel served(kNeeds);
  const Json messages = {{{"role", "user"}, {"content", "Say something."}},
                         {{"role", "assistant"}, {"content", "Well then"}}};
  const AnswerRequest request{.input = ChatInput{.messages = messages, .continues_last = true}};
  const PreparedInput prepared = served.service().prepare(request);
  EXPECT_TRUE(prepared.text.ends_with("<|im_start|>assistant\nWell then")) << prepared.text;
  EXPECT_EQ(served.service().detokenize(prepared.tokens), prepared.text);
  EXPECT_EQ(served.service().tokenize(prepared.text, true), prepared.tokens);
}

}  // namespace
}  // namespace hearth::testing
