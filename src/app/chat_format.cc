#include "app/chat_format.h"

#include <algorithm>

#include "text/output_parser.h"

namespace hearth {

ChatPrompt ChatFormat::prompt(const nlohmann::ordered_json& messages) {
  if (!template_) template_.emplace(folder_);
  const std::string json =
      messages.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  ChatPrompt prompt;
  prompt.tokens = tokenizer_.encode(template_->render(json, "", {}));
  const std::vector<int32_t> without_turn = tokenizer_.encode(
      template_->render(json, "", {.add_generation_prompt = false, .extra_json = ""}));
  const auto [end, _] = std::mismatch(without_turn.begin(), without_turn.end(),
                                      prompt.tokens.begin(), prompt.tokens.end());
  prompt.messages_end = end - without_turn.begin();
  prompt.starts_in_thinking = ends_in_thinking(tokenizer_, prompt.tokens, prompt.messages_end);
  return prompt;
}

ChatPrompt ChatFormat::raw_prompt(const std::string& text) const {
  ChatPrompt prompt{.tokens = tokenizer_.encode(text)};
  prompt.messages_end = static_cast<int64_t>(prompt.tokens.size());
  return prompt;
}

}  // namespace hearth
