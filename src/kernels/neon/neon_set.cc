#include "kernels/float_products.h"
#include "kernels/ladder.h"
#include "kernels/neon/float_vectors.h"
#include "kernels/neon/kernels.h"

namespace hearth {

void upgrade_to_neon(KernelSet& set) {
  using Vectors = neon::FloatVectors;
  using Products = FloatProducts<Vectors>;
  set.name = "neon";
  set.tile_tokens = kMaxTileTokens;
  set.quantize_activations = neon::quantize_activations;
  set.matmul_w4_int8 = neon::matmul_w4_int8;
  set.matmul_w8_int8 = neon::matmul_w8_int8;
  neon::use_int8_streams(set);
  set.matmul_w4_float = Products::packed<4>;
  set.matmul_w8_float = Products::packed<8>;
  set.matmul_bf16 = Products::plain<uint16_t, Vectors::load_bf16>;
  set.matmul_f16 = Products::plain<uint16_t, Vectors::load_f16>;
  set.matmul_f32 = Products::plain<float, Vectors::load>;
  set.rms_norm = neon::rms_norm;
  set.gated_rms_norm = neon::gated_rms_norm;
  set.l2_normalize = neon::l2_normalize;
  set.swiglu = neon::swiglu;
  set.sigmoid_gate = neon::sigmoid_gate;
  set.accumulate = neon::accumulate;
  set.conv_silu = neon::conv_silu;
  set.delta_recurrent = neon::delta_recurrent;
  set.attend_f32 = neon::attend_f32;
  set.attend_bf16 = neon::attend_bf16;
  set.widen_int8 = neon::widen_int8;
}

}  // namespace hearth
