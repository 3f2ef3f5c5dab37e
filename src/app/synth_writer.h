// Writing a planned checkpoint to disk, on all cores.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "app/synth_plan.h"

namespace hearth {

/// Called now and then with the bytes written so far, never by two threads at once.
using SynthProgress = std::function<void(uint64_t bytes_done)>;

/// Throws Error when the folder exists and is not empty, or when its disk has not enough room.
void check_synth_target(const SynthPlan& plan, const std::filesystem::path& folder);

/// Writes shards, index, tokenizer and configs into the folder, config.json last: without it a
/// folder left behind by an interruption is not taken for a model. The bytes depend on model and
/// seed only. Throws Error naming the file when writing fails.
void write_checkpoint(const SynthModel& model, const SynthPlan& plan, uint64_t seed,
                      const std::filesystem::path& folder, const SynthProgress& progress);

}  // namespace hearth
