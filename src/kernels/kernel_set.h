// One instruction set's kernels: a struct of function pointers over plain memory.
//
// `reference/` is the slow twin that every other set is checked against (tools: kernel_check).
// A faster set starts as a copy of the one below it on the ladder and replaces what it does better,
// so a kernel that is missing in a set is inherited. Kernels never allocate, lock, log or throw,
// and use only what they are passed. Plain data only in this header: instruction-set files, built
// with their own compiler flags, include it (docs/HACKING.md, "The inline trap").
//
// The same bits at any batch size: a kernel computes each token's values with the same operations
// in the same order, however many tokens share the call.
#pragma once

#include <stdint.h>

#include "tensor/quantized_matrix.h"

namespace hearth {

/// Most tokens of one ActivationTile, over all kernel sets.
inline constexpr int kMaxTileTokens = 24;

/// Columns of a DeltaNet state block: states are stored [value_dim/16][key_dim][16].
inline constexpr int kStateColumns = 16;

/// Most inputs of a block of int8 activations.
inline constexpr int64_t kMaxActivationBlock = 128;

/// int8 activations of up to kMaxTileTokens tokens, interleaved by token, in the order in which a
/// K-packed layout holds its inputs. A block is `block` consecutive inputs that share a scale.
struct ActivationTile {
  const int32_t* words = nullptr;  // [cols/4][tokens], four int8 each (see quantize_activations)
  const float* scales = nullptr;   // [cols/block][tokens]
  const int32_t* sums = nullptr;   // [cols/block][tokens], sum of the block's int8 values
  int64_t block = 0;
  int tokens = 0;
  /// The packed matrix of the next call and its row_begin, or null if unknown. A hint: the first
  /// weights there may be fetched ahead.
  const QuantizedMatrix* next = nullptr;
  int64_t next_row = 0;
  /// Where several tiles meet the same rows of a matrix, one after the other: room for the words of
  /// these rows, [cols·bits/32][row_end − row_begin], or null. The call of the first tile may leave
  /// them there, close together, for the others, which may fetch the next call's rows instead.
  uint32_t* copy = nullptr;
  int tile = 0;  // which one of `tiles` this is
  int tiles = 1;
};

/// Float activations: one pointer to [cols] values per token, at most kMaxTileTokens.
struct FloatTile {
  const float* const* rows = nullptr;
  int tokens = 0;
};

/// Where a matrix product goes: y[t][n] for n in the matrix rows [row_begin, row_end).
struct ProductOutput {
  float* values = nullptr;  // element (token t, row n) at values[t * stride + n - row_begin]
  int64_t stride = 0;
};

using MatmulInt8 = void (*)(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                            const ActivationTile& input, const ProductOutput& output);
/// One token's int8 product in two steps, so that workers can share a matrix by its inputs and read
/// their part of it front to back. First, for blocks b of inputs in [block_begin, block_end):
///   sums[b − block_begin][n] = Σ code[n,k]·a[k] over the block, for all rows n,
/// less what the set subtracts from codes. Then, of the sums of all blocks, y[n − row_begin] for
/// rows [row_begin, row_end): the same bits as the set's product.
using BlockSums = void (*)(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                           const ActivationTile& input, int32_t* sums);
using ScaleSums = void (*)(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                           const ActivationTile& input, const int32_t* sums, float* y);
using MatmulFloat = void (*)(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                             const FloatTile& input, const ProductOutput& output);

/// A run of channels of the causal depthwise convolution with SiLU:
///   y[t,c] = silu( Σ_j weight[j,c] · u[t − (taps−1) + j, c] ),  u before the segment = history.
struct ConvRun {
  const float* input = nullptr;  // u: [tokens] rows of input_stride, channels contiguous
  int64_t input_stride = 0;
  const float* weights = nullptr;  // [taps] rows of weight_stride
  int64_t weight_stride = 0;
  float* history = nullptr;  // the last taps−1 inputs, oldest first; rows of weight_stride; updated
  float* output = nullptr;  // [tokens] rows of output_stride
  int64_t output_stride = 0;
  int64_t tokens = 0;
  int64_t channels = 0;
  int taps = 0;
};

/// The gates of one value head of gated DeltaNet:
///   β = sigmoid(b),  g = rate · softplus(a + bias)
struct DeltaGates {
  const float* a = nullptr;  // [tokens] rows of stride, one value each
  const float* b = nullptr;
  int64_t stride = 0;
  float rate = 0;  // −exp(A_log)
  float bias = 0;
  int64_t tokens = 0;
  float* log_decay = nullptr;  // [tokens], g
  float* beta = nullptr;       // [tokens]
};

/// One value head's gated delta rule over a segment of tokens (spec: Gated DeltaNet, recurrence).
/// q and k are normalised, q scaled by 1/√key_dim. Per token, with decay = e^g:
///   S ← decay·S;  δ = β(v − Sᵀk);  S ← S + k⊗δ;  o = Sᵀq
struct DeltaHead {
  float* state = nullptr;    // [blocks of kStateColumns value columns][key_dim][kStateColumns]
  const float* q = nullptr;  // [tokens] rows of qk_stride
  const float* k = nullptr;
  int64_t qk_stride = 0;
  const float* v = nullptr;  // [tokens] rows of v_stride; `columns` values each
  int64_t v_stride = 0;
  float* output = nullptr;  // [tokens] rows of output_stride; likewise
  int64_t output_stride = 0;
  const float* log_decay = nullptr;  // g ≤ 0: [tokens] rows of gate_stride, one value each
  const float* beta = nullptr;
  int64_t gate_stride = 0;
  int64_t tokens = 0;
  int64_t key_dim = 0;
  int64_t columns = 0;                // value columns of this call, from the state's first block on
  const float* next_state = nullptr;  // the state that the next call works on, if known: a hint
};

/// Tokens of one page of the KV cache, the block size of attention.
inline constexpr int64_t kKvPageTokens = 64;

/// How a page keeps the keys and the values of one KV head:
///   kF32   keys [head_dim][token], values [token][head_dim], float
///   kBf16  keys [head_dim/2][token][2], values [token/2][head_dim][2], bf16; head_dim is even
///   kInt8  the same in int8, then float scales [token] of the keys, [token] of the values
/// Lanes of 32 bits are tokens for scores, and dimensions for outputs; the pairs are what dot
/// products of bf16 add up in one. Every int8 is a bf16, too.
enum class KvType : uint8_t { kF32, kBf16, kInt8 };

/// Online softmax over one page of cached tokens, for `queries` consecutive tokens with `heads`
/// query heads each that share a KV head. A row is one head of one token: row = query·heads + head.
/// maxima, sums and output are carried from page to page, starting from −inf, 0, 0; dividing output
/// by sums at the end gives attention's output.
///
/// With bf16 pages q is bf16 and each weight e^(score − maximum) is rounded to bf16, both for the
/// sum and the output; sums are formed in float. With scales a score is multiplied by its key's,
/// and for the output a weight by its value's, rounded to bf16 again. A token that a query does not
/// see has the weight 0, but the whole page may be read: it must hold finite numbers everywhere.
///
/// A row gets the same bits whichever rows share its call.
struct AttentionBlock {
  const void* q = nullptr;              // [rows][head_dim], scaled by 1/√head_dim already
  const void* keys = nullptr;           // a page's part for this KV head
  const void* values = nullptr;         // likewise
  const float* key_scales = nullptr;    // [kKvPageTokens], of bf16 pages; null: 1
  const float* value_scales = nullptr;  // likewise
  const void* next_keys = nullptr;      // what will be read next, as many bytes as keys: a hint
  int64_t visible = 0;  // tokens that the first query sees, ≥ 1; each further one sees one more
  int64_t queries = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  float* maxima = nullptr;  // [rows]
  float* sums = nullptr;    // [rows]
  float* output = nullptr;  // [rows][head_dim]
};

struct KernelSet {
  const char* name = nullptr;
  /// Most tokens of a tile where weights come from memory, at most kMaxTileTokens.
  int tile_tokens = 1;
  /// Tokens that are in registers at once: those of a tile where weights are in a cache.
  int part_tokens = kMaxTileTokens;

  /// Quantises one token's x [cols] to int8 in blocks: scale = absmax/127, code = round-to-even.
  /// words[(i)·stride] receives input word i: for kW4KPacked word 2r holds k = 8r+{0,2,4,6} and
  /// word 2r+1 k = 8r+{1,3,5,7}; for kW8KPacked word i holds k = 4i+{0,1,2,3}; lowest k in the
  /// lowest byte. scales[b·stride], sums[b·stride] per block. A block of zeros gets scale 0.
  void (*quantize_activations)(const float* x, int64_t cols, int64_t block, QuantLayout order,
                               int64_t stride, int32_t* words, float* scales, int32_t* sums);
  /// tile[i·tokens + t] = rows[t][i], for i < words: rows of single tokens into one tile.
  void (*interleave)(const int32_t* const* rows, int tokens, int64_t words, int32_t* tile);

  MatmulInt8 matmul_w4_int8;
  MatmulInt8 matmul_w8_int8;
  BlockSums block_sums_w4;
  BlockSums block_sums_w8;
  ScaleSums scale_sums_w4;
  ScaleSums scale_sums_w8;
  MatmulFloat matmul_w4_float;
  MatmulFloat matmul_w8_float;
  MatmulFloat matmul_bf16;
  MatmulFloat matmul_f16;
  MatmulFloat matmul_f32;

  /// y = x · (mean(x²) + eps)^(−1/2) · weight, over n values; weight already holds 1 + w where the
  /// model's norm is zero-centred. x and y may be the same.
  void (*rms_norm)(const float* x, const float* weight, int64_t n, float eps, float* y);
  /// y = rms_norm(x) · silu(gate).
  void (*gated_rms_norm)(const float* x, const float* weight, const float* gate, int64_t n,
                         float eps, float* y);
  /// y = scale · x / √(Σx² + 1e-6). x and y may be the same.
  void (*l2_normalize)(const float* x, int64_t n, float scale, float* y);
  /// gate = silu(gate) · up.
  void (*swiglu)(float* gate, const float* up, int64_t n);
  /// x = x · sigmoid(gate).
  void (*sigmoid_gate)(float* x, const float* gate, int64_t n);
  /// y += scale · x.
  void (*accumulate)(const float* x, float scale, int64_t n, float* y);
  void (*conv_silu)(const ConvRun& run);
  void (*delta_gates)(const DeltaGates& gates);
  /// Token by token.
  void (*delta_recurrent)(const DeltaHead& head);
  /// In chunks of kDeltaChunk tokens (WY form): mathematically the same, other rounding.
  void (*delta_chunked)(const DeltaHead& head, float* scratch);
  /// Over a page of kF32, and of kBf16.
  void (*attend_f32)(const AttentionBlock& block);
  void (*attend_bf16)(const AttentionBlock& block);
  /// halves = codes, as bf16, which has all int8 exactly.
  void (*widen_int8)(const int8_t* codes, int64_t count, uint16_t* halves);

  /// What the processor could do at most: multiply-accumulates on registers alone, of int8 and of
  /// bf16, by the set's best instructions for each. They return the number of them in `rounds`.
  int64_t (*int8_probe)(int64_t rounds);
  int64_t (*bf16_probe)(int64_t rounds);
};

/// Tokens of one chunk of delta_chunked.
inline constexpr int64_t kDeltaChunk = 64;

/// Floats of scratch that delta_chunked needs for a call with `columns` value columns.
inline constexpr int64_t delta_chunk_scratch(int64_t key_dim, int64_t columns) {
  return 2 * kDeltaChunk * kDeltaChunk + kDeltaChunk * key_dim + 2 * kDeltaChunk * columns +
         2 * kDeltaChunk;
}

/// The product of the set for the matrix's layout with float activations.
inline MatmulFloat float_product(const KernelSet& set, QuantLayout layout) {
  switch (layout) {
    case QuantLayout::kW4KPacked: return set.matmul_w4_float;
    case QuantLayout::kW8KPacked: return set.matmul_w8_float;
    case QuantLayout::kBf16: return set.matmul_bf16;
    case QuantLayout::kF16: return set.matmul_f16;
    case QuantLayout::kF32: return set.matmul_f32;
  }
  return nullptr;
}

/// The product for a packed layout with int8 activations.
inline MatmulInt8 int8_product(const KernelSet& set, QuantLayout layout) {
  return layout == QuantLayout::kW4KPacked ? set.matmul_w4_int8 : set.matmul_w8_int8;
}

/// Its two steps.
inline BlockSums int8_block_sums(const KernelSet& set, QuantLayout layout) {
  return layout == QuantLayout::kW4KPacked ? set.block_sums_w4 : set.block_sums_w8;
}

inline ScaleSums int8_scale_sums(const KernelSet& set, QuantLayout layout) {
  return layout == QuantLayout::kW4KPacked ? set.scale_sums_w4 : set.scale_sums_w8;
}

}  // namespace hearth
