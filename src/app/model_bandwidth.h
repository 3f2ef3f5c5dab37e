// How fast the machine reads the weights of a model where they lie.
#pragma once

#include <string>
#include <vector>

#include "app/model_flags.h"
#include "backend/cpu/machine_limits.h"

namespace hearth {

/// Matrices of experts, up to a gigabyte of them.
std::vector<ReadBlock> expert_blocks(const Model& model);

/// Bytes per second of all workers, from experts in random order: the limit of decoding. Takes
/// about a tenth of a second. 0 for a model so small that caches would be measured, or one that
/// does not fit into memory.
double model_read_bandwidth(LoadedModel& loaded);

/// ", 62 % of 41.3 GB/s" for bytes that decoding read per second, or "" where the bandwidth is 0.
std::string bandwidth_share_text(double bytes_per_s, double bandwidth);

}  // namespace hearth
