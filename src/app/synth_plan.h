// What `hearth synth` writes: every tensor of every shard, before a byte is written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/synth_fill.h"
#include "app/synth_preset.h"
#include "checkpoint/safetensors.h"

namespace hearth {

struct SynthShard {
  std::string file;                       // name within the folder
  bool extra = false;                     // the separate shard of the MTP layer
  std::vector<SafetensorsEntry> entries;  // in the order of their data
  std::vector<Fill> fills;                // parallel to entries
  uint64_t data_bytes = 0;
};

struct SynthTotals {
  uint64_t tensors = 0;
  uint64_t bytes = 0;
};

struct SynthPlan {
  std::vector<SynthShard> shards;

  /// Sums over the main shards, or over the extra one.
  SynthTotals totals(bool extra) const;
};

/// Shards hold up to this many bytes of data, as transformers writes them by default.
inline constexpr uint64_t kSynthShardBytes = 5'000'000'000;

/// Weights are random but sane: every linear layer keeps the size of its input, what is added to
/// the residual stream is damped by the depth, and gates, decays and router logits lie where those
/// of trained models do. So activations stay near 1 through all layers and a generated text, though
/// meaningless, touches experts and states as a real one would.
SynthPlan plan_checkpoint(const SynthModel& model);

/// model.safetensors.index.json.
nlohmann::ordered_json index_json(const SynthPlan& plan);

}  // namespace hearth
