#include "answer/chat_format.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/output_parser.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json) {
  return json.empty() ? std::string() : json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Whether a special token stands at a place of a rendered text: what is before it and what is
/// behind it are then encoded each by itself.
bool special_at(const std::string& text, size_t place) { return text.compare(place, 2, "<|") == 0; }

/// The text up to the end of the last message's content.
std::string cut_behind_last(std::string text, const Json& messages) {
  const Json& last = messages.back();
  const auto content = last.find("content");
  if (last.value("role", "") != "assistant" || content == last.end() || !content->is_string()) {
    throw UsageError(
        "there is no text of the assistant to go on with: the last message must be "
        "the assistant's, with a string as its content.");
  }
  std::string own = content->get<std::string>();
  // Templates trim.
  const size_t first = own.find_first_not_of(" \t\r\n");
  own = first == std::string::npos ? std::string()
                                   : own.substr(first, own.find_last_not_of(" \t\r\n") + 1 - first);
  const size_t place = text.rfind(own);
  if (own.empty() || place == std::string::npos) {
    throw UsageError(
        "the chat template changes the last message, so that the answer cannot go on "
        "with it.");
  }
  text.resize(place + own.size());
  return text;
}

}  // namespace

const ChatTemplate& ChatFormat::chat_template() {
  const std::lock_guard lock(mutex_);
  if (!template_) template_.emplace(folder_);
  return *template_;
}

CallForm ChatFormat::call_form() {
  try {
    return hearth::call_form(chat_template());
  } catch (const LoadError&) {
    return CallForm::kNone;
  }
}

std::string ChatFormat::text_of(const ChatInput& input, const Json& messages, bool opens_turn) {
  const std::string json = messages.dump(-1, ' ', false, Json::error_handler_t::replace);
  return chat_template().render(
      json, dumped(input.tools),
      {.add_generation_prompt = opens_turn, .extra_json = dumped(input.template_arguments)});
}

ChatPrompt ChatFormat::prompt(const Json& messages, const Json& tools) {
  return prompt(ChatInput{.messages = messages, .tools = tools});
}

ChatPrompt ChatFormat::prompt(const ChatInput& input) {
  Json others = input.messages;  // than the model's own turn
  ChatPrompt prompt;
  if (input.continues_last && !others.empty()) {
    prompt.text = cut_behind_last(text_of(input, input.messages, false), input.messages);
    others.erase(others.size() - 1);
  } else {
    prompt.text = text_of(input, input.messages, true);
  }
  const bool alone = input.continues_last && others.empty();
  const std::string before = alone ? std::string() : text_of(input, others, false);
  if (prompt.text.starts_with(before) && special_at(prompt.text, before.size())) {
    prompt.tokens = encode(before);
    prompt.messages_end = static_cast<int64_t>(prompt.tokens.size());
    const std::vector<int32_t> turn = tokenizer_.encode(prompt.text.substr(before.size()));
    prompt.tokens.insert(prompt.tokens.end(), turn.begin(), turn.end());
  } else {
    prompt.tokens = encode(prompt.text);
    const std::vector<int32_t> start = encode(before);
    const auto [end, _] =
        std::mismatch(start.begin(), start.end(), prompt.tokens.begin(), prompt.tokens.end());
    prompt.messages_end = end - start.begin();
  }
  prompt.starts_in_thinking = ends_in_thinking(tokenizer_, prompt.tokens, prompt.messages_end);
  return prompt;
}

/// What was said before is kept as it was; a special token behind it keeps the rest apart.
std::vector<int32_t> ChatFormat::encode(const std::string& text) const {
  Said start;
  {
    const std::lock_guard lock(mutex_);
    const Said* longest = nullptr;
    for (const Said& said : said_) {
      if (longest && said.text.size() <= longest->text.size()) continue;
      if (text.starts_with(said.text) && special_at(text, said.text.size())) longest = &said;
    }
    if (longest) start = *longest;
  }
  if (start.tokens.empty()) return tokenizer_.encode(text);
  const std::vector<int32_t> rest = tokenizer_.encode(text.substr(start.text.size()));
  start.tokens.insert(start.tokens.end(), rest.begin(), rest.end());
  return std::move(start.tokens);
}

void ChatFormat::remember(const ChatPrompt& prompt, std::span<const int32_t> answer) {
  // Some hundred conversations of a server. A search compares starts of texts, which differ early
  // but for a system prompt that they share.
  constexpr size_t kMost = 256;
  constexpr size_t kMostBytes = 32 << 20;
  Said said{prompt.text + tokenizer_.decode(answer, false), prompt.tokens};
  said.tokens.insert(said.tokens.end(), answer.begin(), answer.end());
  const std::lock_guard lock(mutex_);
  said_bytes_ += said.text.size();
  said_.push_back(std::move(said));
  while (said_.size() > kMost || (said_bytes_ > kMostBytes && said_.size() > 1)) {
    said_bytes_ -= said_.front().text.size();
    said_.pop_front();
  }
}

ChatPrompt ChatFormat::raw_prompt(const std::string& text) const {
  ChatPrompt prompt{.text = text, .tokens = tokenizer_.encode(text)};
  prompt.messages_end = static_cast<int64_t>(prompt.tokens.size());
  return prompt;
}

ChatPrompt ChatFormat::raw_prompt(const std::vector<int32_t>& tokens) const {
  return {.text = tokenizer_.decode(tokens, false),
          .tokens = tokens,
          .messages_end = static_cast<int64_t>(tokens.size())};
}

}  // namespace hearth
