#include "app/chat_turn.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "answer/text_answer.h"
#include "app/model_bandwidth.h"
#include "base/clock.h"
#include "base/error.h"
#include "model/traffic.h"

namespace hearth {
namespace {

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

/// Reasoning and answer as two documents, one below the other.
class TurnDisplay {
 public:
  explicit TurnDisplay(const ChatView& view) : view_(view) {}

  void show(const OutputPiece& piece) {
    const OutputPiece seen = visible_part(piece, view_.thinking);
    if (!seen.thinking.empty()) document(thinking_, kDim).add(seen.thinking);
    if (!seen.answer.empty()) {
      close_thinking();
      document(answer_, kPlainStyle).add(seen.answer);
    }
  }

  void finish() {
    close_thinking();
    if (!answer_) return;
    answer_->finish();
    if (view_.mode == ViewMode::kRaw) write_out("\n");
  }

 private:
  MarkdownView& document(std::optional<MarkdownView>& view, unsigned styles) {
    if (!view) {
      view.emplace(MarkdownViewOptions{.mode = view_.mode,
                                       .style = view_.style,
                                       .base_styles = styles,
                                       .size = [] { return terminal_size(STDOUT_FILENO); },
                                       .write = write_out});
    }
    return *view;
  }

  void close_thinking() {
    if (!thinking_) return;
    thinking_->finish();
    thinking_.reset();
    write_out(view_.mode == ViewMode::kRaw ? "\n\n" : "\n");
  }

  const ChatView& view_;
  std::optional<MarkdownView> thinking_;
  std::optional<MarkdownView> answer_;
};

}  // namespace

std::string statistics_text(const TurnStatistics& s) {
  std::string text = fmt::format("prompt {} tokens, {} of them cached | ", s.usage.prompt_tokens,
                                 s.usage.cached_tokens);
  if (s.thinking_tokens > 0) text += fmt::format("reasoning {}, ", s.thinking_tokens);
  text += fmt::format("answer {} | first token {:.2f} s | {:.1f} tokens/s", s.answer_tokens(),
                      s.first_token_seconds, s.usage.decode_tokens_per_s());
  text += bandwidth_share_text(s.usage.decode_tokens_per_s() * s.bytes_per_token, s.bandwidth);
  if (s.finish_reason == "length") text += " | cut off at -n or the end of the context";
  return text;
}

int64_t ChatTurn::room(const ChatPrompt& prompt) const {
  const int64_t left = text_.engine().most_tokens() - static_cast<int64_t>(prompt.tokens.size());
  if (left >= 1) return std::min(left, flags_.max_tokens);
  throw UsageError(
      fmt::format("the conversation has {} tokens, and the context {}. /undo takes turns back, "
                  "/clear begins anew, and --context sets its size.",
                  prompt.tokens.size(), text_.engine().most_tokens()));
}

TurnStatistics ChatTurn::run(Conversation& conversation) {
  const Stopwatch start;
  TurnStatistics statistics;
  TurnDisplay display(view_);
  std::optional<TextAnswer> answer;
  ChatPrompt prompt;
  try {
    prompt = text_.format().prompt(conversation.template_messages());
    check_vocabulary(flags_.model.folder, text_.model().config(), prompt.tokens);
    const int64_t most = room(prompt);
    answer.emplace(text_.format().tokenizer(),
                   TextAnswerOptions{.starts_in_thinking = prompt.starts_in_thinking,
                                     .thinking_budget = flags_.reasoning_budget,
                                     .stop = text_.sampling().stop,
                                     .show = [&](const OutputPiece& piece) { display.show(piece); },
                                     .interrupted = [&] { return interrupts_.stop_requested(); },
                                     .on_first_token =
                                         [&] {
                                           statistics.first_token_seconds = start.seconds();
                                           text_.loaded().after_first_token();
                                         }});
    const RequestId id = text_.engine().submit({.prompt = prompt.tokens,
                                                .boundaries = {prompt.messages_end},
                                                .max_tokens = most,
                                                .sampling = text_.sampling(),
                                                .observer = &*answer});
    while (text_.engine().step()) {
      if (interrupts_.stop_requested()) text_.engine().cancel(id);
    }
  } catch (...) {
    conversation.messages.pop_back();
    throw;
  }
  display.finish();
  text_.format().remember(prompt, answer->tokens());
  if (answer->answer().empty()) conversation.messages.pop_back();
  else conversation.messages.push_back({"assistant", answer->answer(), answer->thinking()});
  statistics.usage = answer->usage();
  statistics.thinking_tokens = answer->thinking_tokens();
  statistics.finish_reason = answer->finish_reason();
  statistics.bytes_per_token =
      static_cast<double>(model_traffic(text_.model()).weight_bytes_per_token());
  return statistics;
}

}  // namespace hearth
