// Short names of checkpoints that hearth is known to be for.
#pragma once

#include <span>
#include <string_view>

#include "hub/repo_id.h"

namespace hearth {

struct ModelAlias {
  std::string_view alias;
  std::string_view repo;
  std::string_view what;  // in a few words
};

std::span<const ModelAlias> model_aliases();

/// Reads an alias, or a name as parse_model_ref does, with or without "@revision". Throws
/// UsageError.
ModelRef named_model(std::string_view text);

}  // namespace hearth
