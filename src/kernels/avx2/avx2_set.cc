#include "kernels/avx2/float_vectors.h"
#include "kernels/avx2/kernels.h"
#include "kernels/float_products.h"
#include "kernels/ladder.h"

namespace hearth {

void upgrade_to_avx2(KernelSet& set) {
  using Vectors = avx2::FloatVectors;
  using Products = FloatProducts<Vectors>;
  set.name = "avx2";
  set.tile_tokens = kMaxTileTokens;
  set.quantize_activations = avx2::quantize_activations;
  set.matmul_w4_int8 = avx2::matmul_w4_int8;
  set.matmul_w8_int8 = avx2::matmul_w8_int8;
  avx2::use_int8_streams(set);
  set.matmul_w4_float = Products::packed<4>;
  set.matmul_w8_float = Products::packed<8>;
  set.matmul_bf16 = Products::plain<uint16_t, Vectors::load_bf16>;
  set.matmul_f16 = Products::plain<uint16_t, Vectors::load_f16>;
  set.matmul_f32 = Products::plain<float, Vectors::load>;
  set.rms_norm = avx2::rms_norm;
  set.gated_rms_norm = avx2::gated_rms_norm;
  set.l2_normalize = avx2::l2_normalize;
  set.swiglu = avx2::swiglu;
  set.sigmoid_gate = avx2::sigmoid_gate;
  set.accumulate = avx2::accumulate;
  set.conv_silu = avx2::conv_silu;
  set.delta_gates = avx2::delta_gates;
  set.delta_recurrent = avx2::delta_recurrent;
  set.attend_f32 = avx2::attend_f32;
  set.attend_bf16 = avx2::attend_bf16;
  set.widen_int8 = avx2::widen_int8;
  set.int8_probe = avx2::int8_probe;
  set.bf16_probe = avx2::bf16_probe;
}

}  // namespace hearth
