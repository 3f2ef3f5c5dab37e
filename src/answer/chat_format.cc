#include "answer/chat_format.h"

#include <algorithm>

#include "text/output_parser.h"

namespace hearth {

ChatPrompt ChatFormat::prompt(const nlohmann::ordered_json& messages,
                              const nlohmann::ordered_json& tools) {
  if (!template_) template_.emplace(folder_);
  const auto text_of = [](const nlohmann::ordered_json& value) {
    return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  };
  const std::string json = text_of(messages);
  const std::string tools_json = tools.empty() ? "" : text_of(tools);
  ChatPrompt prompt;
  prompt.text = template_->render(json, tools_json, {});
  prompt.tokens = encode(prompt.text);
  const std::vector<int32_t> without_turn = encode(
      template_->render(json, tools_json, {.add_generation_prompt = false, .extra_json = ""}));
  const auto [end, _] = std::mismatch(without_turn.begin(), without_turn.end(),
                                      prompt.tokens.begin(), prompt.tokens.end());
  prompt.messages_end = end - without_turn.begin();
  prompt.starts_in_thinking = ends_in_thinking(tokenizer_, prompt.tokens, prompt.messages_end);
  return prompt;
}

/// What was said before is kept as it was; a special token behind it keeps the rest apart.
std::vector<int32_t> ChatFormat::encode(const std::string& text) const {
  const Said* longest = nullptr;
  for (const Said& said : said_) {
    const bool fits = text.starts_with(said.text) && text.compare(said.text.size(), 2, "<|") == 0;
    if (fits && (!longest || said.text.size() > longest->text.size())) longest = &said;
  }
  if (!longest) return tokenizer_.encode(text);
  std::vector<int32_t> tokens = longest->tokens;
  const std::vector<int32_t> rest = tokenizer_.encode(text.substr(longest->text.size()));
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  return tokens;
}

void ChatFormat::remember(const ChatPrompt& prompt, std::span<const int32_t> answer) {
  constexpr size_t kMost = 16;
  Said said{prompt.text + tokenizer_.decode(answer, false), prompt.tokens};
  said.tokens.insert(said.tokens.end(), answer.begin(), answer.end());
  said_.push_back(std::move(said));
  if (said_.size() > kMost) said_.pop_front();
}

ChatPrompt ChatFormat::raw_prompt(const std::string& text) const {
  ChatPrompt prompt{.text = text, .tokens = tokenizer_.encode(text)};
  prompt.messages_end = static_cast<int64_t>(prompt.tokens.size());
  return prompt;
}

}  // namespace hearth
