// The slash commands of hearth chat.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/chat_turn.h"
#include "app/conversation.h"
#include "app/generation_flags.h"
#include "app/text_engine.h"

namespace hearth {

/// What the commands work on.
struct ChatState {
  TextEngine& text;
  GenerationFlags& flags;
  ChatView& view;
  Conversation conversation = {};
  std::vector<TurnStatistics> turns = {};
  std::string ask = {};  // a question that a command asks again; taken by the loop
  bool show_statistics = true;
  bool leave = false;
};

struct ChatCommand {
  const char* name;       // "/save"
  const char* arguments;  // "FILE"; empty: none
  const char* help;
  /// Does it, and returns what to say. Throws UsageError.
  std::string (*run)(ChatState& state, const std::string& argument);
};

std::span<const ChatCommand> chat_commands();

/// Runs a line that begins with a slash; what to say. Throws UsageError.
std::string run_chat_command(ChatState& state, const std::string& line);

/// Commands that begin with the text before the cursor.
std::vector<std::string> complete_chat_command(std::string_view before_cursor);

}  // namespace hearth
