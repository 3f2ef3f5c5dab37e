#include "kernels/avx512/avx512.h"
#include "kernels/ladder.h"

namespace hearth {

void upgrade_to_avx512(KernelSet& set) {
  set.name = "avx512";
  set.tile_tokens = kMaxTileTokens;
  set.quantize_activations = avx512::quantize_activations;
  set.matmul_w4_int8 = avx512::matmul_w4_int8;
  set.matmul_w8_int8 = avx512::matmul_w8_int8;
}

}  // namespace hearth
