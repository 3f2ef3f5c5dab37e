#include "kernels/avx512/kernels.h"
#include "kernels/ladder.h"

namespace hearth {

void upgrade_to_avx512(KernelSet& set) {
  set.name = "avx512";
  set.tile_tokens = kMaxTileTokens;
  set.part_tokens = avx512::kPartTokens;
  set.quantize_activations = avx512::quantize_activations;
  set.interleave = avx512::interleave;
  set.matmul_w4_int8 = avx512::matmul_w4_int8;
  set.matmul_w8_int8 = avx512::matmul_w8_int8;
  avx512::use_int8_streams(set);
  set.matmul_w4_float = avx512::matmul_w4_float;
  set.matmul_w8_float = avx512::matmul_w8_float;
  set.matmul_bf16 = avx512::matmul_bf16;
  set.matmul_f16 = avx512::matmul_f16;
  set.matmul_f32 = avx512::matmul_f32;
  set.rms_norm = avx512::rms_norm;
  set.gated_rms_norm = avx512::gated_rms_norm;
  set.l2_normalize = avx512::l2_normalize;
  set.swiglu = avx512::swiglu;
  set.sigmoid_gate = avx512::sigmoid_gate;
  set.accumulate = avx512::accumulate;
  set.conv_silu = avx512::conv_silu;
  set.delta_gates = avx512::delta_gates;
  set.delta_recurrent = avx512::delta_recurrent;
  set.attend_f32 = avx512::attend_f32;
  set.attend_bf16 = avx512::attend_bf16;
  set.widen_int8 = avx512::widen_int8;
  set.int8_probe = avx512::int8_probe;
  set.bf16_probe = avx512::bf16_probe;
}

}  // namespace hearth
