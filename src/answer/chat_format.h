// Messages to the tokens of a prompt, by a checkpoint's own template and tokenizer.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "answer/answer_request.h"
#include "answer/tool_grammar.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace hearth {

/// A prompt, and what follows from how it was made.
struct ChatPrompt {
  std::string text;
  std::vector<int32_t> tokens;
  /// Where the last message ends and the model's own turn begins: what a later prompt repeats, also
  /// where it leaves out the reasoning of this turn.
  int64_t messages_end = 0;
  bool starts_in_thinking = false;
};

/// Threads may share one.
class ChatFormat {
 public:
  /// Throws LoadError.
  explicit ChatFormat(const std::filesystem::path& folder) : folder_(folder), tokenizer_(folder) {}

  /// `messages` is an array of objects as the template wants them: role, content,
  /// reasoning_content; `tools` one of the functions that the model may call. Throws TemplateError,
  /// and LoadError when there is no template.
  ChatPrompt prompt(const nlohmann::ordered_json& messages,
                    const nlohmann::ordered_json& tools = nlohmann::ordered_json::array());
  /// The same with more variables, and an answer that goes on. Throws UsageError, too, when there
  /// is nothing to go on with.
  ChatPrompt prompt(const ChatInput& input);

  /// Remembers the tokens that a model chose for its answer. A later prompt that repeats it gets
  /// the same tokens again, though its text alone could be cut into others: what is known of them
  /// is found again then.
  void remember(const ChatPrompt& prompt, std::span<const int32_t> answer);

  /// A text, or tokens, to be continued as they are.
  ChatPrompt raw_prompt(const std::string& text) const;
  ChatPrompt raw_prompt(const std::vector<int32_t>& tokens) const;

  const Tokenizer& tokenizer() const { return tokenizer_; }
  /// How the template has the model write tool calls; none without a template.
  CallForm call_form();

 private:
  struct Said {
    std::string text;
    std::vector<int32_t> tokens;
  };

  const ChatTemplate& chat_template();
  std::string text_of(const ChatInput& input, const nlohmann::ordered_json& messages,
                      bool opens_turn);
  std::vector<int32_t> encode(const std::string& text) const;

  std::filesystem::path folder_;
  Tokenizer tokenizer_;
  mutable std::mutex mutex_;              // of what follows
  std::optional<ChatTemplate> template_;  // read when it is first wanted: raw text needs none
  std::deque<Said> said_;                 // the latest last
  size_t said_bytes_ = 0;                 // of their texts
};

}  // namespace hearth
