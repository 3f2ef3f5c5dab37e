// Quantisation, norms, gates and the convolution, 16 values at a time.
#include <math.h>

#include "kernels/avx512/kernels.h"
#include "kernels/avx512/simd.h"

namespace hearth::avx512 {
namespace {

/// The bytes of 8 consecutive k, twice, in the order of w4 words: even k, then odd k.
inline __m128i even_odd_order() {
  return _mm_set_epi8(15, 13, 11, 9, 14, 12, 10, 8, 7, 5, 3, 1, 6, 4, 2, 0);
}

float block_absmax(const float* x, int64_t block) {
  __m512 largest = _mm512_setzero_ps();
  for (int64_t i = 0; i < block; i += kLanes) {
    const __m512 v = _mm512_maskz_loadu_ps(lane_mask(block - i), x + i);
    largest = _mm512_max_ps(largest, _mm512_abs_ps(v));
  }
  return _mm512_reduce_max_ps(largest);
}

/// Stores up to four words, `stride` apart.
void store_words(__m128i packed, int64_t count, int64_t stride, int32_t* words) {
  if (stride == 1 && count == 4) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words), packed);
    return;
  }
  alignas(16) int32_t lanes[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(lanes), packed);
  for (int64_t i = 0; i < count; ++i) words[i * stride] = lanes[i];
}

inline float sum_of_squares(const float* x, int64_t n) {
  __m512 sums = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += kLanes) {
    const __m512 v = _mm512_maskz_loadu_ps(lane_mask(n - i), x + i);
    sums = _mm512_fmadd_ps(v, v, sums);
  }
  return _mm512_reduce_add_ps(sums);
}

inline float inverse_rms(const float* x, int64_t n, float eps) {
  return 1.0f / sqrtf(sum_of_squares(x, n) / static_cast<float>(n) + eps);
}

/// y[i] = map(i, mask) over n values.
template <typename Map>
inline void for_lanes(int64_t n, float* y, const Map& map) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 mask = lane_mask(n - i);
    _mm512_mask_storeu_ps(y + i, mask, map(i, mask));
  }
}

}  // namespace

void quantize_activations(const float* x, int64_t cols, int64_t block, QuantLayout order,
                          int64_t stride, int32_t* words, float* scales, int32_t* sums) {
  const bool even_odd = order == QuantLayout::kW4KPacked;
  for (int64_t b = 0; b < cols / block; ++b, x += block, words += block / 4 * stride) {
    const float largest = block_absmax(x, block);
    // 127/largest overflows for denormal inputs; such a block is as good as zero.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    __m512i total = _mm512_setzero_si512();
    for (int64_t i = 0; i < block; i += kLanes) {
      const __mmask16 mask = lane_mask(block - i);
      const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(inverse));
      const __m512i codes = _mm512_cvtps_epi32(v);
      total = _mm512_add_epi32(total, codes);
      __m128i bytes = _mm512_cvtepi32_epi8(codes);
      if (even_odd) bytes = _mm_shuffle_epi8(bytes, even_odd_order());
      store_words(bytes, block - i >= kLanes ? 4 : (block - i) / 4, stride,
                  words + i / 4 * stride);
    }
    scales[b * stride] = inverse == 0.0f ? 0.0f : largest / 127.0f;
    sums[b * stride] = _mm512_reduce_add_epi32(total);
  }
}

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  const __m512 inverse = _mm512_set1_ps(inverse_rms(x, n, eps));
  for_lanes(n, y, [&](int64_t i, __mmask16 mask) {
    return _mm512_mul_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), inverse),
                         _mm512_maskz_loadu_ps(mask, weight + i));
  });
}

void gated_rms_norm(const float* x, const float* weight, const float* gate, int64_t n, float eps,
                    float* y) {
  const __m512 inverse = _mm512_set1_ps(inverse_rms(x, n, eps));
  for_lanes(n, y, [&](int64_t i, __mmask16 mask) {
    const __m512 normed = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), inverse);
    return _mm512_mul_ps(_mm512_mul_ps(normed, _mm512_maskz_loadu_ps(mask, weight + i)),
                         silu(_mm512_maskz_loadu_ps(mask, gate + i)));
  });
}

void l2_normalize(const float* x, int64_t n, float scale, float* y) {
  const __m512 factor = _mm512_set1_ps(scale / sqrtf(sum_of_squares(x, n) + 1e-6f));
  for_lanes(n, y, [&](int64_t i, __mmask16 mask) {
    return _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), factor);
  });
}

void swiglu(float* gate, const float* up, int64_t n) {
  for_lanes(n, gate, [&](int64_t i, __mmask16 mask) {
    return _mm512_mul_ps(silu(_mm512_maskz_loadu_ps(mask, gate + i)),
                         _mm512_maskz_loadu_ps(mask, up + i));
  });
}

void sigmoid_gate(float* x, const float* gate, int64_t n) {
  for_lanes(n, x, [&](int64_t i, __mmask16 mask) {
    return _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i),
                         sigmoid(_mm512_maskz_loadu_ps(mask, gate + i)));
  });
}

void accumulate(const float* x, float scale, int64_t n, float* y) {
  for_lanes(n, y, [&](int64_t i, __mmask16 mask) {
    return _mm512_fmadd_ps(_mm512_set1_ps(scale), _mm512_maskz_loadu_ps(mask, x + i),
                           _mm512_maskz_loadu_ps(mask, y + i));
  });
}

void conv_silu(const ConvRun& run) {
  const int64_t past = run.taps - 1;
  const auto input = [&](int64_t t, int64_t c, __mmask16 mask) {
    const float* row = t < 0 ? run.history + (t + past) * run.weight_stride
                             : run.input + t * run.input_stride;
    return _mm512_maskz_loadu_ps(mask, row + c);
  };
  for (int64_t c = 0; c < run.channels; c += kLanes) {
    const __mmask16 mask = lane_mask(run.channels - c);
    for (int64_t t = 0; t < run.tokens; ++t) {
      __m512 sum = _mm512_setzero_ps();
      for (int64_t j = 0; j < run.taps; ++j) {
        const __m512 weight = _mm512_maskz_loadu_ps(mask, run.weights + j * run.weight_stride + c);
        sum = _mm512_fmadd_ps(weight, input(t - past + j, c, mask), sum);
      }
      _mm512_mask_storeu_ps(run.output + t * run.output_stride + c, mask, silu(sum));
    }
    // Oldest first: a row is read, as a later token's past, before it is overwritten.
    for (int64_t i = 0; i < past; ++i) {
      _mm512_mask_storeu_ps(run.history + i * run.weight_stride + c, mask,
                            input(run.tokens - past + i, c, mask));
    }
  }
}

}  // namespace hearth::avx512
