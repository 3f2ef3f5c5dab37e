// Packed weights times int8 activations on maddubs (unsigned × signed bytes, pairs added into 16
// bits with saturation) and madd (pairs of 16 bits added into 32).
//
// Saturation must not happen, or sums would be wrong in silence:
//   w4: a pair is at most 2·15·127 = 3810, so eight of them (four rows of words) fit 16 bits.
//   w8: unsigned pairs would reach 2·255·127. The codes are made signed, c = w − 128, and |c| ≤ 128
//       meets the activation with the sign of c: at most 2·128·127 = 32512.
#include "kernels/avx2/int8_products.h"
#include "kernels/avx2/kernels.h"

namespace hearth::avx2 {
namespace {

struct Maddubs {
  static constexpr int kCentre8 = 128;
  static constexpr int kTileTokens = 4;

  static HEARTH_INLINE __m256i begin(__m256i /*sum*/) { return _mm256_setzero_si256(); }
  static HEARTH_INLINE __m256i add(__m256i pairs, __m256i codes, __m256i x) {
    return _mm256_add_epi16(pairs, _mm256_maddubs_epi16(codes, x));
  }
  static HEARTH_INLINE __m256i end(__m256i pairs, __m256i sum) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  struct Codes {
    __m256i centred;
    __m256i magnitudes;
  };
  static HEARTH_INLINE Codes prepare(__m256i words) {
    const __m256i centred = _mm256_xor_si256(words, _mm256_set1_epi8(-128));
    return {centred, _mm256_abs_epi8(centred)};
  }
  static HEARTH_INLINE __m256i add_codes(__m256i sum, const Codes& codes, __m256i x) {
    const __m256i signed_x = _mm256_sign_epi8(x, codes.centred);
    const __m256i pairs = _mm256_maddubs_epi16(codes.magnitudes, signed_x);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

}  // namespace

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Int8Vectors<Maddubs>>::product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Int8Vectors<Maddubs>>::product<8>(matrix, row_begin, row_end, input, output);
}

void use_int8_streams(KernelSet& set) { use_streams<Int8Vectors<Maddubs>>(set); }

}  // namespace hearth::avx2
