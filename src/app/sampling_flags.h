// The flags of every subcommand that chooses tokens, made from the table of parameters.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/sampling_parameters.h"
#include "text/tokenizer.h"

namespace CLI {
class App;
}

namespace hearth {

struct SamplingFlags {
  SamplingParameters values;
  std::vector<const SamplingParameter*> given;  // rows of the table that were on the command line
};

/// Adds a flag for each row of the table. Values are checked while the command line is read.
void add_sampling_flags(CLI::App& command, SamplingFlags& flags);

/// What was given, else what the checkpoint recommends, else the defaults; a seed by chance, and
/// the tokens that break DRY's sequences. Throws LoadError.
SamplingParameters resolve_sampling(const SamplingFlags& flags, const std::filesystem::path& folder,
                                    const Tokenizer& tokenizer);

}  // namespace hearth
