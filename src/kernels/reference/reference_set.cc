#include "kernels/ladder.h"
#include "kernels/reference/kernels.h"

namespace hearth {

const KernelSet& reference_kernels() {
  static const KernelSet set{
      .name = "reference",
      .tile_tokens = kMaxTileTokens,
      .quantize_activations = reference::quantize_activations,
      .interleave = reference::interleave,
      .matmul_w4_int8 = reference::matmul_w4_int8,
      .matmul_w8_int8 = reference::matmul_w8_int8,
      .block_sums_w4 = reference::block_sums_w4,
      .block_sums_w8 = reference::block_sums_w8,
      .scale_sums_w4 = reference::scale_sums_w4,
      .scale_sums_w8 = reference::scale_sums_w8,
      .matmul_w4_float = reference::matmul_w4_float,
      .matmul_w8_float = reference::matmul_w8_float,
      .matmul_bf16 = reference::matmul_bf16,
      .matmul_f16 = reference::matmul_f16,
      .matmul_f32 = reference::matmul_f32,
      .rms_norm = reference::rms_norm,
      .gated_rms_norm = reference::gated_rms_norm,
      .l2_normalize = reference::l2_normalize,
      .swiglu = reference::swiglu,
      .sigmoid_gate = reference::sigmoid_gate,
      .accumulate = reference::accumulate,
      .conv_silu = reference::conv_silu,
      .delta_gates = reference::delta_gates,
      .delta_recurrent = reference::delta_recurrent,
      .delta_chunked = reference::delta_chunked,
      .attend_f32 = reference::attend_f32,
      .attend_bf16 = reference::attend_bf16,
      .widen_int8 = reference::widen_int8,
      .int8_probe = reference::int8_probe,
      .bf16_probe = reference::bf16_probe,
  };
  return set;
}

}  // namespace hearth
