#include "backend/cpu/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "backend/cpu/delta_scratch.h"
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

/// One row of a matrix that is not packed.
void expand_row(const QuantizedMatrix& matrix, int64_t row, float* x) {
  const int64_t first = row * matrix.cols;
  const uint16_t* halves = static_cast<const uint16_t*>(matrix.weights) + first;
  switch (matrix.layout) {
    case QuantLayout::kBf16:
      for (int64_t i = 0; i < matrix.cols; ++i) x[i] = bf16_to_float(halves[i]);
      break;
    case QuantLayout::kF16:
      for (int64_t i = 0; i < matrix.cols; ++i) x[i] = f16_to_float(halves[i]);
      break;
    default:
      std::memcpy(x, static_cast<const float*>(matrix.weights) + first,
                  static_cast<size_t>(matrix.cols) * sizeof(float));
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
  block_sums_ = MemoryBlock(kBlockSumsMax * sizeof(int32_t));
  inner_values_ = MemoryBlock(sized(slots * limits.expert_width) * sizeof(float));
  slot_outputs_ = MemoryBlock(
      sized(std::min(tokens, kWholeTokens) * (limits.experts_per_token + 1) * limits.hidden) *
      sizeof(float));
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
  inner_items_.reserve(
      sized((limits.experts + 1) *
            ((limits.expert_width + kMaxActivationBlock - 1) / kMaxActivationBlock)));
  workers_.resize(sized(pool_.size()));
  const int64_t floats =
      std::max({kMaxTileTokens * kPanelRowsMax, AttentionScratch::floats(limits.attention),
                DeltaScratch::floats(limits.delta)});
  units_.resize(sized(kUnitsPerWorker * pool_.size()));
  span_items_.resize(sized(kSpansPerWorker * pool_.size()));
  span_rows_ = MemoryBlock((units_.size() + span_items_.size()) *
                           sized(AttentionRows::floats(limits.attention)) * sizeof(float));
  for (WorkerScratch& worker : workers_) {
    worker.memory = MemoryBlock(sized(floats) * sizeof(float));
    worker.copy = MemoryBlock(kCachedBytes);
    for (GatheredTile& tile : worker.gathered) tile.quantized.reserve(limits.hidden);
  }
}

void CpuBackend::embed(const QuantizedMatrix& table, std::span<const int32_t> tokens,
                       float* x) noexcept {
  CHECK(!is_packed(table.layout));
  pool_.parallel_for(static_cast<int64_t>(tokens.size()), [&](int64_t i, int) {
    expand_row(table, tokens[static_cast<size_t>(i)], x + i * table.cols);
  });
}

void CpuBackend::rope_angles(std::span<const int64_t> positions,
                             std::span<const float> inverse_frequencies, float scale,
                             float* cosines, float* sines) noexcept {
  const int64_t frequencies = static_cast<int64_t>(inverse_frequencies.size());
  pool_.parallel_for(static_cast<int64_t>(positions.size()), [&](int64_t row, int) {
    const float position = static_cast<float>(positions[static_cast<size_t>(row)]);
    for (int64_t i = 0; i < frequencies; ++i) {
      // The product in float, as the reference forms it: at 262144 tokens its rounding shows.
      const float angle = position * inverse_frequencies[static_cast<size_t>(i)];
      cosines[row * frequencies + i] = scale * std::cos(angle);
      sines[row * frequencies + i] = scale * std::sin(angle);
    }
  });
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
