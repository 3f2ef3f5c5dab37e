// Packed weights times int8 activations on the VEX form of vpdpbusd: four products of a lane, of
// unsigned and signed bytes, added into 32 bits. It cannot saturate. All else is AVX2's.
#include "kernels/avx2/int8_products.h"
#include "kernels/ladder.h"

namespace hearth {
namespace avxvnni {
namespace {

struct Dpbusd {
  static constexpr int kCentre8 = 0;
  static constexpr int kTileTokens = 5;

  static HEARTH_INLINE __m256i begin(__m256i sum) { return sum; }
  static HEARTH_INLINE __m256i add(__m256i sum, __m256i codes, __m256i x) {
    return _mm256_dpbusd_avx_epi32(sum, codes, x);
  }
  static HEARTH_INLINE __m256i end(__m256i sum, __m256i /*before*/) { return sum; }

  using Codes = __m256i;
  static HEARTH_INLINE Codes prepare(__m256i words) { return words; }
  static HEARTH_INLINE __m256i add_codes(__m256i sum, Codes codes, __m256i x) {
    return _mm256_dpbusd_avx_epi32(sum, codes, x);
  }
};

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<avx2::Int8Vectors<Dpbusd>>::product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<avx2::Int8Vectors<Dpbusd>>::product<8>(matrix, row_begin, row_end, input, output);
}

}  // namespace
}  // namespace avxvnni

void upgrade_to_avxvnni(KernelSet& set) {
  set.name = "avxvnni";
  set.tile_tokens = 5;
  set.matmul_w4_int8 = avxvnni::matmul_w4_int8;
  set.matmul_w8_int8 = avxvnni::matmul_w8_int8;
  use_streams<avx2::Int8Vectors<avxvnni::Dpbusd>>(set);
}

}  // namespace hearth
