// The checkpoints that `hearth doctor` and `hearth estimate` know without having them: geometry and
// layouts from the presets of `hearth synth`, no weights.
#pragma once

#include <span>
#include <string_view>

#include "app/synth_preset.h"
#include "model/memory_ledger.h"

namespace hearth {

struct KnownCheckpoint {
  std::string_view name;  // for --preset
  std::string_view what;  // one line
  Recipe recipe = Recipe::kInt4Mixed;
};

std::span<const KnownCheckpoint> known_checkpoints();

/// Throws UsageError that lists the names.
const KnownCheckpoint& find_known_checkpoint(std::string_view name);

/// The names, separated by commas.
std::string known_checkpoint_names();

/// What the model's files would hold, its layers in the layouts that loading them would find. The
/// vectors of norms, convolutions and decays are empty.
ModelOutline outline_of(const SynthModel& model);
ModelOutline outline_of(const KnownCheckpoint& checkpoint);

}  // namespace hearth
