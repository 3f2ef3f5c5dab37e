// Packed weights times int8 activations on the VEX form of vpdpbusd: four products of a lane, of
// unsigned and signed bytes, added into 32 bits. It cannot saturate. All else is AVX2's.
#include "kernels/avx2/int8_products.h"
#include "kernels/ladder.h"

namespace hearth {
namespace avxvnni {
namespace {

struct Dpbusd {
  static constexpr int kCentre8 = 0;
  static constexpr int64_t kWordsAhead = 1024;
  /// Where sums, operands and inputs fit the registers.
  static constexpr int tile_tokens(int /*bits*/) { return 5; }

  static constexpr int kCodeParts8 = 1;
  template <int kPart>
  static HEARTH_INLINE __m256i codes8(__m256i words) {
    return words;
  }

  template <int kBits, typename RowCodes, int V, int M>
  static HEARTH_INLINE void add_rows(RowCodes& row_codes, const int32_t* inputs, int64_t tokens,
                                     int64_t rows, __m256i (&sums)[V][M]) {
    for (; rows > 0; --rows, inputs += 8 / kBits * tokens) {
      __m256i codes[V];
      row_codes.template part<0>(codes);
      add_codes(codes, inputs, sums);
      if constexpr (kBits == 4) {
        row_codes.template part<1>(codes);
        add_codes(codes, inputs + tokens, sums);
      }
    }
  }

  template <int V, int M>
  static HEARTH_INLINE void add_codes(const __m256i (&codes)[V], const int32_t* inputs,
                                      __m256i (&sums)[V][M]) {
    avx2::each_product(inputs, sums, [&](__m256i& sum, int i, __m256i x) HEARTH_ALWAYS_INLINE {
      // An instruction, as those of AVX2: GCC 12 would reorder sums.
      asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(codes[i]), "x"(x));
    });
  }

  template <int kBits>
  static HEARTH_INLINE __m256i add_words(__m256i sums, __m256i words, const __m256i* x) {
    if constexpr (kBits == 8) return _mm256_dpbusd_avx_epi32(sums, words, x[0]);
    sums = _mm256_dpbusd_avx_epi32(sums, avx2::low_codes(words), x[0]);
    return _mm256_dpbusd_avx_epi32(sums, avx2::high_codes(words), x[1]);
  }
};

using Vectors = avx2::Int8Vectors<Dpbusd>;

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Vectors>::product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Vectors>::product<8>(matrix, row_begin, row_end, input, output);
}

}  // namespace
}  // namespace avxvnni

void upgrade_to_avxvnni(KernelSet& set) {
  set.name = "avxvnni";
  set.matmul_w4_int8 = avxvnni::matmul_w4_int8;
  set.matmul_w8_int8 = avxvnni::matmul_w8_int8;
  use_streams<avxvnni::Vectors>(set);
}

}  // namespace hearth
