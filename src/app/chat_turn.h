// One question and its answer, as a terminal shows them.
#pragma once

#include <cstdint>
#include <string>

#include "app/conversation.h"
#include "app/generation_flags.h"
#include "app/text_engine.h"
#include "console/interrupts.h"
#include "console/markdown_view.h"

namespace hearth {

/// What of an answer is seen, and how.
struct ChatView {
  ThinkingView thinking = ThinkingView::kShow;
  ViewMode mode = ViewMode::kRaw;
  Style style{false};
};

/// What a turn cost.
struct TurnStatistics {
  GenerationUsage usage;
  int64_t thinking_tokens = 0;
  double first_token_seconds = 0;
  double bytes_per_token = 0;  // of weights
  double bandwidth = 0;        // of the machine, bytes per second; 0: not known
  std::string_view finish_reason = {};

  int64_t answer_tokens() const { return usage.generated_tokens - thinking_tokens; }
};

/// "prompt 52 tokens, 31 of them cached | reasoning 40, answer 12 | first token 0.31 s | …"
std::string statistics_text(const TurnStatistics& statistics);

class ChatTurn {
 public:
  /// All outlive it.
  ChatTurn(TextEngine& text, const GenerationFlags& flags, const ChatView& view,
           Interrupts& interrupts)
      : text_(text), flags_(flags), view_(view), interrupts_(interrupts) {}

  /// Answers the question at the end of the conversation and appends the answer. Where there is
  /// none (it was stopped before), the question is taken back. Throws UsageError when the
  /// conversation no longer fits the context; it is as before then.
  TurnStatistics run(Conversation& conversation);

 private:
  int64_t room(const ChatPrompt& prompt) const;

  TextEngine& text_;
  const GenerationFlags& flags_;
  const ChatView& view_;
  Interrupts& interrupts_;
};

}  // namespace hearth
