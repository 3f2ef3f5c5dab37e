#include "app/generation_flags.h"

#include <CLI/CLI.hpp>

namespace hearth {

void add_generation_flags(CLI::App& command, GenerationFlags& flags, int64_t max_tokens) {
  add_model_flags(command, flags.model);
  default_to_shipped_model(command, flags.model);
  add_run_flags(command, flags.model);
  flags.max_tokens = max_tokens;
  command.add_option("--system", flags.system, "A system message before the prompt");
  command
      .add_option("-n,--tokens", flags.max_tokens, "Most tokens of an answer, reasoning included")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 31))
      ->capture_default_str();
  command
      .add_option("--reasoning-budget", flags.reasoning_budget,
                  "Most tokens of reasoning; 0: none (default: as many as it takes)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 31));
  add_sampling_flags(command, flags.sampling);
}

void add_thinking_flag(CLI::App& command, std::string& name) {
  command
      .add_option("--thinking", name, "Reasoning: show it before the answer, hide it, or it alone")
      ->check(CLI::IsMember({"show", "hide", "only"}))
      ->capture_default_str();
}

ThinkingView thinking_view(const std::string& name) {
  if (name == "hide") return ThinkingView::kHide;
  return name == "only" ? ThinkingView::kOnly : ThinkingView::kShow;
}

OutputPiece visible_part(OutputPiece piece, ThinkingView view) {
  if (view == ThinkingView::kHide) piece.thinking.clear();
  if (view == ThinkingView::kOnly) piece.answer.clear();
  return piece;
}

}  // namespace hearth
