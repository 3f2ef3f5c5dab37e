// The operations of the forward pass, coarse enough that each is a phrase of the model's
// description, over memory of the backend. The model is written once against this interface; a
// backend decides how an operation is split and which kernels run it.
//
// All pointers of an operation point into memory of the backend (`allocate`) or, for weights, to
// where the model was loaded. Activations are float, row-major [tokens, values]. Operations run in
// the order in which they are called, never fail, and allocate nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "backend/expert_uses.h"
#include "kernels/kernel_set.h"
#include "tensor/quantized_matrix.h"

namespace hearth {

/// How a linear layer multiplies: with activations quantised to int8 where the weights are packed,
/// or with float activations everywhere.
enum class Precision : uint8_t { kInt8, kFloat };

/// y = W·x, or y += W·x.
struct LinearTask {
  const QuantizedMatrix* matrix = nullptr;
  float* output = nullptr;  // [tokens] rows of output_stride values
  int64_t output_stride = 0;
  bool accumulate = false;
  Precision precision = Precision::kInt8;
};

/// The tokens of one sequence inside a batch: rows [first_row, first_row + tokens) of every
/// activation buffer.
struct SegmentRows {
  int64_t first_row = 0;
  int64_t tokens = 0;
};

struct DeltaGeometry {
  int64_t key_heads = 0;
  int64_t value_heads = 0;
  int64_t key_dim = 0;
  int64_t value_dim = 0;
  int taps = 0;  // of the convolution
  float norm_eps = 0;

  int64_t group() const { return value_heads / key_heads; }  // value heads that share a key head
  int64_t keys() const { return key_heads * key_dim; }
  int64_t values() const { return value_heads * value_dim; }
  int64_t channels() const { return 2 * keys() + values(); }
  int64_t projected() const { return 2 * keys() + 2 * values(); }  // q, k, v, z
  int64_t state_blocks() const { return (value_dim + kStateColumns - 1) / kStateColumns; }
  /// Floats of one head's recurrent state: [state_blocks][key_dim][kStateColumns].
  int64_t head_state() const { return state_blocks() * key_dim * kStateColumns; }
};

enum class DeltaForm : uint8_t { kRecurrent, kChunked };

struct DeltaSegment {
  SegmentRows rows;
  float* recurrent = nullptr;  // [value_heads][head_state]
  float* conv = nullptr;       // [taps − 1][channels]: q | k | v
};

/// Gated DeltaNet between its projections. Updates the states of every segment.
struct GatedDeltaTask {
  DeltaGeometry geometry;
  DeltaForm form = DeltaForm::kRecurrent;
  // [tokens, projected]: per key head its q, k, the v of its value heads, the z of its value heads.
  const float* qkvz = nullptr;
  const float* ba = nullptr;  // [tokens, 2·value_heads]: per key head b of its value heads, then a
  const float* conv_weights = nullptr;  // [taps][channels]
  const float* decay_rates = nullptr;   // [value_heads], −exp(A_log)
  const float* dt_bias = nullptr;       // [value_heads]
  const float* norm = nullptr;          // [value_dim]
  std::span<const DeltaSegment> segments;
  int64_t tokens = 0;
  float* output = nullptr;  // [tokens, values]
};

struct AttentionGeometry {
  int64_t query_heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t rotary_dim = 0;
  float norm_eps = 0;
  KvType kv_type = KvType::kF32;

  int64_t queries() const { return query_heads * head_dim; }
  int64_t kv() const { return kv_heads * head_dim; }
  int64_t group() const { return query_heads / kv_heads; }  // query heads that share a KV head
  int64_t element_bytes() const {
    return kv_type == KvType::kF32 ? 4 : kv_type == KvType::kBf16 ? 2 : 1;
  }
  /// Bytes of a page's keys, or values, of one KV head (see KvType).
  int64_t head_bytes() const {
    const int64_t scale_bytes = kv_type == KvType::kInt8 ? 4 : 0;
    return kKvPageTokens * (head_dim * element_bytes() + scale_bytes);
  }
  /// Bytes of one layer's part of a page: keys of a KV head, its values, those of the next head.
  int64_t page_bytes() const { return 2 * kv_heads * head_bytes(); }
};

struct AttentionSegment {
  SegmentRows rows;
  int64_t position = 0;               // of the first token; tokens before it are in the cache
  std::byte* const* pages = nullptr;  // page i holds positions [64·i, 64·i + 64)
  int64_t layer_offset = 0;           // bytes from a page's start to this layer's part
};

/// Gated attention between its projections. Appends to the KV cache of every segment.
struct GatedAttentionTask {
  AttentionGeometry geometry;
  const float* query_gate = nullptr;  // [tokens, 2·queries]: per head its query, then its gate
  float* keys = nullptr;              // [tokens, kv]; left normalised and rotated
  const float* values = nullptr;      // [tokens, kv]
  const float* query_norm = nullptr;  // [head_dim], 1 + w
  const float* key_norm = nullptr;
  const float* rope_cos = nullptr;  // [tokens, rotary_dim/2]
  const float* rope_sin = nullptr;
  std::span<const AttentionSegment> segments;
  int64_t tokens = 0;
  float* output = nullptr;  // [tokens, queries]
};

/// One SwiGLU block: down(silu(gate·x) ⊙ up·x).
struct ExpertWeights {
  QuantizedMatrix gate;  // [width, hidden]
  QuantizedMatrix up;    // [width, hidden]
  QuantizedMatrix down;  // [hidden, width]
};

/// Routed experts and the gated shared expert; adds their sum to the output.
struct MoeTask {
  const QuantizedMatrix* router = nullptr;       // [experts, hidden]
  const QuantizedMatrix* shared_gate = nullptr;  // [1, hidden]
  std::span<const ExpertWeights> experts;
  const ExpertWeights* shared = nullptr;
  int64_t experts_per_token = 0;
  bool normalise_top_k = true;
  Precision precision = Precision::kInt8;
  const float* input = nullptr;  // [tokens, hidden]
  int64_t hidden = 0;
  int64_t tokens = 0;
  float* output = nullptr;     // [tokens, hidden], added to
  ExpertUses* uses = nullptr;  // which the choices of this layer are added to; null: of none
  int64_t layer = 0;
};

/// The largest sizes that a forward pass will ask for, so that scratch is taken once.
struct BackendLimits {
  int64_t tokens = 0;   // of one forward pass
  int64_t columns = 0;  // inputs of any linear layer
  int64_t experts = 0;
  int64_t experts_per_token = 0;
  int64_t expert_width = 0;  // the wider of routed and shared
  int64_t hidden = 0;
  DeltaGeometry delta;
  AttentionGeometry attention;
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// E.g. "cpu avx512, 2 threads".
  virtual std::string description() const = 0;

  /// Sizes the scratch. Called before the first operation. Throws MemoryError.
  virtual void reserve(const BackendLimits& limits) = 0;

  /// x[i] = row tokens[i] of the table [vocab, hidden].
  virtual void embed(const QuantizedMatrix& table, std::span<const int32_t> tokens,
                     float* x) noexcept = 0;

  /// Cosines and sines of positions[i]·inverse_frequencies[j], times scale: both
  /// [positions, frequencies].
  virtual void rope_angles(std::span<const int64_t> positions,
                           std::span<const float> inverse_frequencies, float scale, float* cosines,
                           float* sines) noexcept = 0;

  /// Root-mean-square norm of each row; weight holds 1 + w.
  virtual void rms_norm(const float* x, const float* weight, int64_t rows, int64_t columns,
                        float eps, float* y) noexcept = 0;

  /// Several linear layers over the same input [tokens, columns].
  virtual void linear(std::span<const LinearTask> tasks, const float* x,
                      int64_t tokens) noexcept = 0;

  virtual void gated_delta(const GatedDeltaTask& task) noexcept = 0;
  virtual void gated_attention(const GatedAttentionTask& task) noexcept = 0;
  virtual void moe(const MoeTask& task) noexcept = 0;

  /// Calls body(index) for every index below count, possibly at once, for work at load time.
  virtual void parallel(int64_t count, void (*body)(void* context, int64_t index),
                        void* context) noexcept = 0;
};

}  // namespace hearth
