// What was said, as a person keeps it: in memory, in a file, as a page to read.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hearth {

struct ChatMessage {
  std::string role;  // "user" or "assistant"
  std::string content;
  std::string reasoning = {};  // of an assistant
};

class Conversation {
 public:
  std::string system;  // empty: none
  std::vector<ChatMessage> messages;

  /// As chat templates take them.
  nlohmann::ordered_json template_messages() const;

  /// Takes the last question back, with its answer. False when there is none.
  bool undo();
  /// Takes the last answer back; its question. Empty when there is none.
  std::string take_last_question();

  /// Readable JSON: `format`, `version`, `model`, `system`, `messages`. Throws Error when it cannot
  /// be written; what stood there before is kept then.
  void save(const std::string& path, const std::string& model) const;
  /// Throws UsageError naming file, place and what is expected there.
  static Conversation load(const std::string& path);

  /// A page to read, reasoning folded away.
  std::string markdown(const std::string& model) const;
};

/// Writes a file as a whole or not at all. Throws Error.
void write_file(const std::string& path, const std::string& text);

}  // namespace hearth
