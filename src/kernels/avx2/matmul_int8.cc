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

// Written as instructions: GCC 12 reorders additions of integers, forms the products of several
// rows first and spills them; that costs a third of the speed.

HEARTH_INLINE void add_halves(__m256i& sum, __m256i pairs, __m256i ones) {
  __m256i halves;
  asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
               : "+x"(sum), "=&x"(halves)
               : "x"(pairs), "x"(ones));
}

/// Four products of bytes in two pairs, from none or added to others.
template <bool kFirst>
HEARTH_INLINE void add_pairs(__m256i& sum, __m256i codes, __m256i x) {
  if constexpr (kFirst) {
    asm volatile("vpmaddubsw %2, %1, %0" : "=x"(sum) : "x"(codes), "x"(x));
  } else {
    __m256i pairs;
    asm volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
                 : "+x"(sum), "=&x"(pairs)
                 : "x"(codes), "x"(x));
  }
}

struct Multiply {
  static constexpr int kCentre8 = 128;
  /// A kilobyte. Zen 3 reads with 4 KiB by a tenth to a quarter slower, w8 slower than unasked.
  static constexpr int64_t kWordsAhead = 256;
  /// Rows of w4 words whose pairs fit 16 bits.
  static constexpr int64_t kPairRows = 4;
  /// Where sums, operands and inputs fit the registers.
  static constexpr int tile_tokens(int bits) { return bits == 4 ? 5 : 4; }

  /// Centred, and without signs.
  static constexpr int kCodeParts8 = 2;
  template <int kPart>
  static HEARTH_INLINE __m256i codes8(__m256i words) {
    return kPart == 0 ? centre(words) : _mm256_abs_epi8(centre(words));
  }

  template <int kBits, typename RowCodes, int V, int M>
  static HEARTH_INLINE void add_rows(RowCodes& codes, const int32_t* inputs, int64_t tokens,
                                     int64_t rows, __m256i (&sums)[V][M]) {
    if constexpr (kBits == 8) {
      for (; rows > 0; --rows, inputs += tokens) add_w8_row(codes, inputs, sums);
    } else {
      for (; rows >= kPairRows; rows -= kPairRows, inputs += 2 * kPairRows * tokens) {
        add_w4_rows<kPairRows>(codes, inputs, tokens, sums);
      }
      for (; rows > 0; --rows, inputs += 2 * tokens) {
        add_w4_rows<1>(codes, inputs, tokens, sums);
      }
    }
  }

  template <bool kFirst, int V, int M>
  static HEARTH_INLINE void add_codes(const __m256i (&codes)[V], const int32_t* inputs,
                                      __m256i (&pairs)[V][M]) {
    each_product(inputs, pairs, [&](__m256i& sum, int i, __m256i x) HEARTH_ALWAYS_INLINE {
      add_pairs<kFirst>(sum, codes[i], x);
    });
  }

  template <int64_t kRows, typename RowCodes, int V, int M>
  static HEARTH_INLINE void add_w4_rows(RowCodes& row_codes, const int32_t* inputs, int64_t tokens,
                                        __m256i (&sums)[V][M]) {
    __m256i pairs[V][M];
#pragma GCC unroll 4
    for (int64_t r = 0; r < kRows; ++r, inputs += 2 * tokens) {
      __m256i codes[V];
      row_codes.template part<0>(codes);
      if (r == 0) add_codes<true>(codes, inputs, pairs);
      else add_codes<false>(codes, inputs, pairs);
      row_codes.template part<1>(codes);
      add_codes<false>(codes, inputs + tokens, pairs);
    }
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) {
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) add_halves(sums[i][t], pairs[i][t], _mm256_set1_epi16(1));
    }
  }

  template <typename RowCodes, int V, int M>
  static HEARTH_INLINE void add_w8_row(RowCodes& codes, const int32_t* inputs,
                                       __m256i (&sums)[V][M]) {
    __m256i centred[V];
    __m256i magnitudes[V];
    codes.template part<0>(centred);
    codes.template part<1>(magnitudes);
    each_product(inputs, sums, [&](__m256i& sum, int i, __m256i x) HEARTH_ALWAYS_INLINE {
      const __m256i pairs = _mm256_maddubs_epi16(magnitudes[i], _mm256_sign_epi8(x, centred[i]));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    });
  }

  template <int kBits>
  static HEARTH_INLINE __m256i add_words(__m256i sums, __m256i words, const __m256i* x) {
    __m256i pairs;
    if constexpr (kBits == 8) {
      const __m256i centred = centre(words);
      pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(centred), _mm256_sign_epi8(x[0], centred));
    } else {
      pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low_codes(words), x[0]),
                               _mm256_maddubs_epi16(high_codes(words), x[1]));
    }
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

 private:
  static HEARTH_INLINE __m256i centre(__m256i words) {
    return _mm256_xor_si256(words, _mm256_set1_epi8(-128));
  }
};

using Vectors = Int8Vectors<Multiply>;

}  // namespace

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Vectors>::product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Vectors>::product<8>(matrix, row_begin, row_end, input, output);
}

void use_int8_streams(KernelSet& set) { use_streams<Vectors>(set); }

}  // namespace hearth::avx2
