// The flags of every subcommand that lets a model answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/model_flags.h"
#include "app/sampling_flags.h"
#include "text/output_parser.h"

namespace hearth {

struct GenerationFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::string system;
  int64_t max_tokens = 0;
  std::optional<int64_t> reasoning_budget;
};

/// Adds the flags of models, runs and sampling, and --system, -n and --reasoning-budget.
void add_generation_flags(CLI::App& command, GenerationFlags& flags, int64_t max_tokens);

/// What --thinking says.
enum class ThinkingView { kShow, kHide, kOnly };

/// Adds --thinking; `name` is its value.
void add_thinking_flag(CLI::App& command, std::string& name);

/// The view of a name: "show", "hide" or "only".
ThinkingView thinking_view(const std::string& name);

/// The part of a piece that is to be seen.
OutputPiece visible_part(OutputPiece piece, ThinkingView view);

}  // namespace hearth
