// int8 activations for the packed products.
//
//   16 inputs  →  absmax of the block  →  16 int32 codes  →  16 bytes  →  4 words
//
// A word of a w8 layout holds four consecutive inputs. A w4 layout takes apart each word of eight
// weights with one mask and one shift, which leaves the even k in one register and the odd in
// another: there the bytes of eight inputs are put in the order 0,2,4,6 1,3,5,7.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

/// Values between those that are read and those that are fetched: a few blocks.
constexpr int64_t kValuesAhead = 512;

/// Of a block, a multiple of 8 values. Two maxima at once hide each other's latency.
float largest_magnitude(const float* x, int64_t n) {
  __m512 largest[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    _mm_prefetch(reinterpret_cast<const char*>(x + i + kValuesAhead), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(x + i + kValuesAhead + kLanes), _MM_HINT_T0);
    largest[0] = _mm512_max_ps(largest[0], _mm512_abs_ps(_mm512_loadu_ps(x + i)));
    largest[1] = _mm512_max_ps(largest[1], _mm512_abs_ps(_mm512_loadu_ps(x + i + kLanes)));
  }
  for (; i < n; i += kLanes) {
    const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
    largest[0] = _mm512_max_ps(largest[0], _mm512_abs_ps(v));
  }
  return _mm512_reduce_max_ps(_mm512_max_ps(largest[0], largest[1]));
}

/// Codes of 16 values, their bytes in the order of a layout.
struct Encoder {
  __m512 inverse;
  __m128i order;
  __m512i sum;

  HEARTH_INLINE __m128i encode(__m512 v) {
    const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse));
    sum = _mm512_add_epi32(sum, codes);
    return _mm_shuffle_epi8(_mm512_cvtepi32_epi8(codes), order);
  }
};

/// Four words to words[0], words[stride], …
HEARTH_INLINE void store_words(__m128i bytes, int64_t stride, int32_t* words) {
  if (stride == 1) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words), bytes);
    return;
  }
  words[0] = _mm_cvtsi128_si32(bytes);
  words[stride] = _mm_extract_epi32(bytes, 1);
  words[2 * stride] = _mm_extract_epi32(bytes, 2);
  words[3 * stride] = _mm_extract_epi32(bytes, 3);
}

/// Words [i, i + 16) of one to four tokens; lanes of tokens that are not there are garbage.
///
///   a0 a1 … a15        a0 b0 c0 d0 | a4 b4 c4 d4 | …
///   b0 b1 … b15    →   a1 b1 c1 d1 | …
HEARTH_INLINE void transpose(const int32_t* const* rows, int tokens, int64_t i, __mmask16 lanes,
                             __m512i (&out)[4]) {
  __m512i in[4];
  for (int t = 0; t < 4; ++t) {
    in[t] = t < tokens ? _mm512_maskz_loadu_epi32(lanes, rows[t] + i) : _mm512_setzero_si512();
  }
  const __m512i ab_low = _mm512_unpacklo_epi32(in[0], in[1]);
  const __m512i ab_high = _mm512_unpackhi_epi32(in[0], in[1]);
  const __m512i cd_low = _mm512_unpacklo_epi32(in[2], in[3]);
  const __m512i cd_high = _mm512_unpackhi_epi32(in[2], in[3]);
  out[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
  out[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
  out[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
  out[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
}

/// Words [i, i + words), at most 16, of one to four tokens, to their places in a tile.
void interleave_four(const int32_t* const* rows, int tokens, int64_t i, int64_t words,
                     int64_t stride, int32_t* tile) {
  __m512i columns[4];
  transpose(rows, tokens, i, first_lanes(words), columns);
  const __mmask8 present = static_cast<__mmask8>((1 << tokens) - 1);
  alignas(64) int32_t quads[4][kLanes];
  for (int c = 0; c < 4; ++c) _mm512_store_si512(quads[c], columns[c]);
  for (int64_t k = 0; k < words; ++k) {
    const __m128i quad = _mm_load_si128(reinterpret_cast<__m128i*>(quads[k % 4] + k / 4 * 4));
    _mm_mask_storeu_epi32(tile + (i + k) * stride, present, quad);
  }
}

}  // namespace

void interleave(const int32_t* const* rows, int tokens, int64_t words, int32_t* tile) {
  // Rows are often a multiple of 4 KiB apart, where a processor's prefetchers lose them.
  constexpr int64_t kWordsAhead = 8 * kLanes;
  for (int64_t i = 0; i < words; i += kLanes) {
    const int64_t count = words - i < kLanes ? words - i : kLanes;
    for (int t = 0; t < tokens; t += 4) {
      const int few = tokens - t < 4 ? tokens - t : 4;
      for (int k = 0; k < few; ++k) {
        _mm_prefetch(reinterpret_cast<const char*>(rows[t + k] + i + kWordsAhead), _MM_HINT_T0);
      }
      interleave_four(rows + t, few, i, count, tokens, tile + t);
    }
  }
}

void quantize_activations(const float* x, int64_t cols, int64_t block, QuantLayout order,
                          int64_t stride, int32_t* words, float* scales, int32_t* sums) {
  Encoder encoder;
  encoder.order = order == QuantLayout::kW4KPacked
                      ? _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15)
                      : _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int64_t b = 0; b < cols / block; ++b, x += block, words += block / 4 * stride) {
    const float largest = largest_magnitude(x, block);
    // 127/largest overflows for tiny inputs; such a block is as good as zero.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    encoder.inverse = _mm512_set1_ps(inverse);
    encoder.sum = _mm512_setzero_si512();
    int64_t i = 0;
    for (; i + kLanes <= block; i += kLanes) {
      store_words(encoder.encode(_mm512_loadu_ps(x + i)), stride, words + i / 4 * stride);
    }
    if (i < block) {  // eight values are left
      const __m128i bytes = encoder.encode(_mm512_maskz_loadu_ps(first_lanes(8), x + i));
      words[i / 4 * stride] = _mm_cvtsi128_si32(bytes);
      words[(i / 4 + 1) * stride] = _mm_extract_epi32(bytes, 1);
    }
    scales[b * stride] = inverse == 0.0f ? 0.0f : largest / 127.0f;
    sums[b * stride] = _mm512_reduce_add_epi32(encoder.sum);
  }
}

}  // namespace hearth::avx512
