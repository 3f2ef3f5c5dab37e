// Many prompts from a file, answered together: hearth generate --input.
//
// Each line of the input is a JSON object with `prompt`, a text, or `messages`, a conversation; it
// may have `id`, `max_tokens`, `n`, `tools` and any parameter of sampling by its JSON name. Each
// line of the output answers the line of the input at the same place: `index`, `id`, `text`,
// `reasoning`, `finish_reason`, `usage`, or `error`; with an `n` of several, `choices` holds text,
// reasoning and reason of each. A line that cannot be answered does not stop the others.
//
// A run that ended early goes on where its output ends.
#pragma once

#include <cstdint>
#include <string>

#include "app/generation_flags.h"

namespace CLI {
class App;
}

namespace hearth {

struct BatchOptions {
  std::string input;
  std::string output;
  int64_t parallel = 8;  // answers at the same time
};

/// Adds --input, --output and --parallel.
void add_batch_options(CLI::App& command, BatchOptions& options);

/// Throws UsageError when the output belongs to another input, and what loading throws. Lines that
/// could not be answered are said on stderr in the end; with any of them it throws an Error.
void run_batch(const GenerationFlags& flags, const BatchOptions& options);

}  // namespace hearth
