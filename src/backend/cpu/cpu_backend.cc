#include "backend/cpu/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "base/error.h"
#include "base/half.h"
#include "kernels/ladder.h"
#include "os/cpu_features.h"
#include "os/topology.h"

namespace hearth {
namespace {

constexpr int kMaxThreads = 1024;

KernelSet choose_kernels(const std::string& name) {
  const std::vector<KernelSet> sets = available_kernel_sets();
  if (name.empty()) return sets.back();
  std::string names;
  for (const KernelSet& set : sets) {
    if (name == set.name) return set;
    names += names.empty() ? set.name : fmt::format(", {}", set.name);
  }
  throw UsageError(
      fmt::format("kernel set '{}' is unknown or cannot run on this processor, which "
                  "has: {}.",
                  name, names));
}

/// The processors of the workers. More threads than cores: no pinning, the system places them.
std::vector<int> worker_processors(int threads) {
  if (threads < 0 || threads > kMaxThreads) {
    throw UsageError(fmt::format("{} threads: expected 1 to {}, or 0 for one per physical core.",
                                 threads, kMaxThreads));
  }
  std::vector<int> processors = physical_cores();
  if (threads > 0) processors.resize(static_cast<size_t>(threads), 0);
  return processors;
}

bool fits_physical_cores(int threads) {
  return threads <= static_cast<int>(physical_cores().size());
}

float element(const QuantizedMatrix& matrix, int64_t index) {
  switch (matrix.layout) {
    case QuantLayout::kBf16:
      return bf16_to_float(static_cast<const uint16_t*>(matrix.weights)[index]);
    case QuantLayout::kF16:
      return f16_to_float(static_cast<const uint16_t*>(matrix.weights)[index]);
    default: return static_cast<const float*>(matrix.weights)[index];
  }
}

}  // namespace

std::vector<KernelSet> available_kernel_sets() {
  std::vector<KernelSet> sets{reference_kernels()};
  int rungs = 0;
  const KernelRung* ladder = kernel_ladder(&rungs);
  for (int i = 0; i < rungs; ++i) {
    // A rung stands on the best set below it that runs here. A processor may lack one in between:
    // those with AVX-512 need not have AVX-VNNI.
    if (!cpu_can_run(ladder[i].name)) continue;
    sets.push_back(sets.back());
    ladder[i].upgrade(sets.back());
  }
  return sets;
}

CpuBackend::CpuBackend(const CpuOptions& options)
    : kernels_(choose_kernels(options.kernel_set)),
      pool_(worker_processors(options.threads), fits_physical_cores(options.threads)) {}

std::string CpuBackend::description() const {
  return fmt::format("cpu {}, {} thread{}", kernels_.name, threads(), threads() == 1 ? "" : "s");
}

void CpuBackend::reserve(const BackendLimits& limits) {
  limits_ = limits;
  const auto sized = [](int64_t count) { return static_cast<size_t>(count); };
  const int64_t tokens = limits.tokens;
  const int64_t slots = tokens * (limits.experts_per_token + 1);
  inputs_.reserve(tokens, limits.columns);
  inner_.reserve(slots, limits.expert_width);
  inner_values_ = MemoryBlock(sized(slots * limits.expert_width) * sizeof(float));
  conv_ = MemoryBlock(sized(tokens * limits.delta.channels()) * sizeof(float));
  decay_.resize(sized(tokens * limits.delta.value_heads));
  beta_.resize(decay_.size());
  queries_ = MemoryBlock(sized(tokens * limits.attention.queries()) * sizeof(float));
  router_logits_.resize(sized(tokens * limits.experts));
  shared_logits_.resize(sized(tokens));
  chosen_.resize(sized(tokens * limits.experts_per_token));
  chosen_weights_.resize(chosen_.size());
  slot_tokens_.resize(sized(slots));
  slot_weights_.resize(sized(slots));
  expert_counts_.resize(sized(limits.experts));
  expert_cursor_.resize(sized(limits.experts));
  runs_.resize(sized(limits.experts + 1));
  tiles_.resize(sized(slots));
  workers_.resize(sized(pool_.size()));
  const int64_t heads = limits.attention.query_heads;
  const int64_t floats =
      std::max({2 * kMaxTileTokens * kPanelRowsMax, heads * (limits.attention.head_dim + 2),
                delta_chunk_scratch(limits.delta.key_dim, limits.delta.value_dim)});
  for (WorkerScratch& worker : workers_) {
    worker.memory = MemoryBlock(sized(floats) * sizeof(float));
    worker.gathered.reserve(std::max(limits.columns, limits.expert_width));
  }
}

void CpuBackend::embed(const QuantizedMatrix& table, std::span<const int32_t> tokens,
                       float* x) noexcept {
  CHECK(!is_packed(table.layout));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int64_t first = tokens[i] * table.cols;
    float* row = x + static_cast<int64_t>(i) * table.cols;
    for (int64_t c = 0; c < table.cols; ++c) row[c] = element(table, first + c);
  }
}

void CpuBackend::rope_angles(std::span<const int64_t> positions,
                             std::span<const float> inverse_frequencies, float scale,
                             float* cosines, float* sines) noexcept {
  for (const int64_t position : positions) {
    for (const float frequency : inverse_frequencies) {
      // The product in float, as the reference forms it: at 262144 tokens its rounding shows.
      const float angle = static_cast<float>(position) * frequency;
      *cosines++ = scale * std::cos(angle);
      *sines++ = scale * std::sin(angle);
    }
  }
}

void CpuBackend::rms_norm(const float* x, const float* weight, int64_t rows, int64_t columns,
                          float eps, float* y) noexcept {
  pool_.parallel_for(rows, [&](int64_t row, int) {
    kernels_.rms_norm(x + row * columns, weight, columns, eps, y + row * columns);
  });
}

void CpuBackend::parallel(int64_t count, void (*body)(void* context, int64_t index),
                          void* context) noexcept {
  pool_.parallel_for(count, [&](int64_t index, int) { body(context, index); });
}

}  // namespace hearth
