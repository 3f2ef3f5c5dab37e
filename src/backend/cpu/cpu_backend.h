// The processor as a backend: a worker pool and the best kernel set that it can run.
//
// Results do not depend on the number of workers nor on what else is in the batch: every value is
// computed by one worker, in one order of operations.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/activations.h"
#include "backend/cpu/attention_scratch.h"
#include "backend/cpu/panels.h"
#include "os/memory_block.h"
#include "os/worker_pool.h"

namespace hearth {

/// Tiles of an expert's tokens whose inputs a worker gathers at once.
inline constexpr int64_t kGatherTiles = 4;

/// Most tokens for which workers take whole experts.
inline constexpr int64_t kWholeTokens = kMaxTileTokens;

/// Most sums of blocks that the tasks of a call may have, to be shared by inputs: what caches hold.
inline constexpr int64_t kBlockSumsMax = int64_t{1} << 18;

struct Share;
struct NextPanel;

/// The inputs of one tile of tokens, in the form that the product needs.
struct TileInput {
  const float* const* rows = nullptr;
  ActivationTile quantized;
  int tokens = 0;
};

struct CpuOptions {
  int threads = 0;         // 0: one per physical core
  std::string kernel_set;  // "": the best; else its name
};

/// The kernel sets that this processor can run, the slowest first.
std::vector<KernelSet> available_kernel_sets();

class CpuBackend final : public Backend {
 public:
  /// Throws UsageError for a kernel set that does not exist or that this processor cannot run, and
  /// for a thread count out of range.
  explicit CpuBackend(const CpuOptions& options);

  const KernelSet& kernels() const { return kernels_; }
  int threads() const { return pool_.size(); }

  std::string description() const override;
  void reserve(const BackendLimits& limits) override;
  void embed(const QuantizedMatrix& table, std::span<const int32_t> tokens,
             float* x) noexcept override;
  void rope_angles(std::span<const int64_t> positions, std::span<const float> inverse_frequencies,
                   float scale, float* cosines, float* sines) noexcept override;
  void rms_norm(const float* x, const float* weight, int64_t rows, int64_t columns, float eps,
                float* y) noexcept override;
  void linear(std::span<const LinearTask> tasks, const float* x, int64_t tokens) noexcept override;
  void gated_delta(const GatedDeltaTask& task) noexcept override;
  void gated_attention(const GatedAttentionTask& task) noexcept override;
  void moe(const MoeTask& task) noexcept override;
  void parallel(int64_t count, void (*body)(void* context, int64_t index),
                void* context) noexcept override;

 private:
  /// The inputs of one tile, gathered from single tokens.
  struct GatheredTile {
    GatherScratch quantized;
    const float* rows[kMaxTileTokens] = {};
  };
  /// What a worker may write to while it computes one item.
  struct WorkerScratch {
    MemoryBlock memory;
    MemoryBlock copy;                                     // kCachedBytes of weights
    std::array<GatheredTile, 2 * kGatherTiles> gathered;  // for gate, then for up where it differs

    float* floats() const { return memory.as<float>(); }
  };
  /// Slots [first, first + count).
  struct SlotRange {
    int64_t first = 0;
    int64_t count = 0;
  };
  /// One expert's slots of a MoE pass.
  struct ExpertRun {
    const ExpertWeights* weights = nullptr;
    SlotRange slots;
  };
  /// Rows of gate and up of some experts, for all their tokens: what a worker takes at once.
  struct InnerItem {
    const ExpertRun* runs = nullptr;
    int64_t run_count = 0;
    RowRange rows;
  };

  float* scratch(int worker) noexcept { return workers_[static_cast<size_t>(worker)].floats(); }

  void product(const QuantizedMatrix& matrix, Precision precision, RowRange range,
               const TileInput& input, const ProductOutput& output) const noexcept;

  void quantize_tiles(const float* x, int64_t columns, int64_t tokens) noexcept;
  void linear_panel(const LinearTask& task, RowRange range, const float* x, int64_t tokens,
                    const NextPanel& next, WorkerScratch& worker) noexcept;
  void scale_linear(std::span<const Share> shares) noexcept;

  void delta_key_head(const GatedDeltaTask& task, const DeltaSegment& segment, int64_t key_head,
                      int worker) noexcept;

  AttentionUnit attention_unit(const GatedAttentionTask& task, int64_t index) const noexcept;
  void attention_inputs(const GatedAttentionTask& task, const AttentionUnit& unit,
                        int worker) noexcept;
  void attend_span(const GatedAttentionTask& task, const AttentionUnit& unit, int64_t span,
                   const AttentionRows& rows, int worker) noexcept;
  void attend_page(const GatedAttentionTask& task, const AttentionUnit& unit, int64_t page,
                   const AttentionRows& rows, int worker) noexcept;
  void attend_unit(const GatedAttentionTask& task, const AttentionUnit& unit, int worker) noexcept;
  void attend_split(const GatedAttentionTask& task, int64_t units) noexcept;
  void attention_output(const GatedAttentionTask& task, const AttentionUnit& unit,
                        const AttentionRows& rows) noexcept;

  void route(const MoeTask& task) noexcept;
  void route_token(const MoeTask& task, int64_t token) noexcept;
  void list_slots(const MoeTask& task) noexcept;
  void list_inner_items() noexcept;
  void split_expert(const ExpertRun& run) noexcept;
  void quantize_expert_inputs(const MoeTask& task) noexcept;
  TileInput expert_input(const MoeTask& task, const QuantizedMatrix& matrix, const SlotRange& slots,
                         GatheredTile& scratch) noexcept;
  void expert_panel(const MoeTask& task, const ExpertWeights& weights, RowRange range,
                    const SlotRange& slots, const TileInput& gate_input, const TileInput& up_input,
                    float* scratch) noexcept;
  void expert_inner(const MoeTask& task, const ExpertRun& run, RowRange rows,
                    const QuantizedMatrix* next, WorkerScratch& worker) noexcept;
  void expert_items(const MoeTask& task, const InnerItem& item, WorkerScratch& worker) noexcept;
  TileInput down_input(const MoeTask& task, const QuantizedMatrix& down, const SlotRange& slots,
                       GatheredTile& scratch) noexcept;
  void whole_expert(const MoeTask& task, const ExpertRun& run, WorkerScratch& worker) noexcept;
  void add_slots(const MoeTask& task, RowRange range) noexcept;
  void whole_experts(const MoeTask& task) noexcept;
  void expert_panels(const MoeTask& task) noexcept;
  RowPanels down_panels(const MoeTask& task) const noexcept;
  void expert_down(const MoeTask& task, RowRange range, WorkerScratch& worker) noexcept;

  KernelSet kernels_;
  WorkerPool pool_;
  BackendLimits limits_;

  MemoryBlock block_sums_;    // [kBlockSumsMax] of linear()
  QuantizedInputs inputs_;    // of linear() and moe()
  QuantizedTokens inner_;     // inputs of the experts' down projections, one per slot
  MemoryBlock inner_values_;  // the same in float, [slots, expert_width]: the float path only
  MemoryBlock slot_outputs_;  // [slots of kWholeTokens, hidden]: what experts add to tokens

  // What vector kernels stream over begins at a cache line.
  MemoryBlock queries_;  // [kv_heads, tokens, group, head_dim], of float or bf16

  // Of attention over few queries, which is split over the context.
  MemoryBlock span_rows_;                  // AttentionRows of units, then of further spans
  std::vector<AttentionUnit> units_;       // [kUnitsPerWorker·workers]
  std::vector<AttentionSpan> span_items_;  // [kSpansPerWorker·workers]

  // Routing. A slot is one (expert, token) pair; slots are grouped by expert, in increasing order
  // of expert and then token, the shared expert last.
  std::vector<float> router_logits_;    // [tokens, experts]
  std::vector<float> shared_logits_;    // [tokens]
  std::vector<int32_t> chosen_;         // [tokens, experts_per_token]
  std::vector<float> chosen_weights_;   // likewise
  std::vector<int32_t> slot_tokens_;    // [slots]
  std::vector<float> slot_weights_;     // [slots]
  std::vector<int64_t> expert_counts_;  // [experts]
  std::vector<int64_t> expert_cursor_;  // [experts], next free slot
  std::vector<ExpertRun> runs_;
  size_t run_count_ = 0;
  std::vector<InnerItem> inner_items_;  // never grows past what reserve() took

  std::vector<WorkerScratch> workers_;
};

}  // namespace hearth
