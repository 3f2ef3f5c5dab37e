// int8 activations for the packed products.
//
//   16 inputs  →  absmax of the block  →  16 int32 codes  →  16 bytes  →  4 words
//
// A word of a w8 layout holds four consecutive inputs. A w4 layout takes apart each word of eight
// weights with one mask and one shift, which leaves the even k in one register and the odd in
// another: there the bytes of eight inputs are put in the order 0,2,4,6 1,3,5,7.
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

float largest_magnitude(const float* x, int64_t n) {
  __m512 largest = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += kLanes) {
    const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
    largest = _mm512_max_ps(largest, _mm512_abs_ps(v));
  }
  return _mm512_reduce_max_ps(largest);
}

/// The bytes of `count` words, to words[0], words[stride], …
void store_words(__m128i bytes, int64_t count, int64_t stride, int32_t* words) {
  if (stride == 1) {
    _mm_mask_storeu_epi32(words, static_cast<__mmask8>((1u << count) - 1u), bytes);
    return;
  }
  alignas(16) int32_t values[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(values), bytes);
  for (int64_t i = 0; i < count; ++i) words[i * stride] = values[i];
}

}  // namespace

void quantize_activations(const float* x, int64_t cols, int64_t block, QuantLayout order,
                          int64_t stride, int32_t* words, float* scales, int32_t* sums) {
  const __m128i even_odd = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  for (int64_t b = 0; b < cols / block; ++b) {
    const float* values = x + b * block;
    const float largest = largest_magnitude(values, block);
    // 127/largest overflows for tiny inputs; such a block is as good as zero.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    __m512i sum = _mm512_setzero_si512();
    for (int64_t i = 0; i < block; i += kLanes) {
      const int64_t count = block - i < kLanes ? block - i : kLanes;  // a multiple of 8
      const __m512 v = _mm512_maskz_loadu_ps(first_lanes(count), values + i);
      const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(inverse)));
      sum = _mm512_add_epi32(sum, codes);
      __m128i bytes = _mm512_cvtepi32_epi8(codes);
      if (order == QuantLayout::kW4KPacked) bytes = _mm_shuffle_epi8(bytes, even_odd);
      store_words(bytes, count / 4, stride, words + (b * block + i) / 4 * stride);
    }
    scales[b * stride] = inverse == 0.0f ? 0.0f : largest / 127.0f;
    sums[b * stride] = _mm512_reduce_add_epi32(sum);
  }
}

}  // namespace hearth::avx512
