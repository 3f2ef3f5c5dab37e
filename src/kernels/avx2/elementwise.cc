// Quantisation, norms, gates and the convolution, 8 values at a time.
#include <math.h>

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

/// The bytes of 8 consecutive k in the order of w4 words: even k, then odd k.
inline __m128i even_odd_order() {
  return _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 7, 5, 3, 1, 6, 4, 2, 0);
}

/// The eight lanes, each within int8, as bytes in the lower half.
inline __m128i narrow(__m256i codes) {
  const __m128i shorts =
      _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
  return _mm_packs_epi16(shorts, shorts);
}

inline int32_t sum_lanes(__m256i v) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  return _mm_cvtsi128_si32(sum);
}

/// Of a block, a multiple of 8 values.
inline float block_absmax(const float* x, int64_t block) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_setzero_ps();
  for (int64_t i = 0; i < block; i += kLanes) {
    largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
  }
  return reduce_max(largest);
}

inline float sum_of_squares(const float* x, int64_t n) {
  __m256 sums = _mm256_setzero_ps();
  for (int64_t i = 0; i < n; i += kLanes) {
    const __m256 v = load_floats(x + i, n - i);
    sums = _mm256_fmadd_ps(v, v, sums);
  }
  return reduce_add(sums);
}

inline float inverse_rms(const float* x, int64_t n, float eps) {
  return 1.0f / sqrtf(sum_of_squares(x, n) / static_cast<float>(n) + eps);
}

/// y[i] = map(i, left) over n values.
template <typename Map>
inline void for_lanes(int64_t n, float* y, const Map& map) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t left = n - i;
    store_floats(y + i, map(i, left), left);
  }
}

/// How far ahead of the convolution its inputs are asked for: rows are too far apart for the
/// processor to foresee the next one.
constexpr int64_t kFetchedTokens = 8;

/// Inputs of token t, where the history is tokens −(taps−1) … −1.
inline const float* conv_input(const ConvRun& run, int64_t t) {
  return t < 0 ? run.history + (t + run.taps - 1) * run.weight_stride
               : run.input + t * run.input_stride;
}

/// N vectors of token t's output from channel c on; a single one may be cut off by the last
/// channel.
template <int N>
HEARTH_INLINE void conv_vectors(const ConvRun& run, int64_t t, int64_t c) {
  const int64_t left = N > 1 ? kLanes : run.channels - c;
  __m256 sums[N];
  for (int i = 0; i < N; ++i) sums[i] = _mm256_setzero_ps();
  for (int64_t j = 0; j < run.taps; ++j) {
    const float* weights = run.weights + j * run.weight_stride + c;
    const float* input = conv_input(run, t - run.taps + 1 + j) + c;
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      sums[i] = _mm256_fmadd_ps(load_floats(weights + i * kLanes, left),
                                load_floats(input + i * kLanes, left), sums[i]);
    }
  }
  float* output = run.output + t * run.output_stride + c;
  const float* ahead = run.input + (t + kFetchedTokens) * run.input_stride + c;
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
    if (N > 1 && i % 2 == 0) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead + i * kLanes), _MM_HINT_T0);
    }
    store_floats(output + i * kLanes, silu(sums[i]), left);
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
    __m256i total = _mm256_setzero_si256();
    for (int64_t i = 0; i < block; i += kLanes) {
      const __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(inverse));
      const __m256i codes = _mm256_cvtps_epi32(v);
      total = _mm256_add_epi32(total, codes);
      __m128i bytes = narrow(codes);
      if (even_odd) bytes = _mm_shuffle_epi8(bytes, even_odd_order());
      words[i / 4 * stride] = _mm_cvtsi128_si32(bytes);
      words[(i / 4 + 1) * stride] = _mm_extract_epi32(bytes, 1);
    }
    scales[b * stride] = inverse == 0.0f ? 0.0f : largest / 127.0f;
    sums[b * stride] = sum_lanes(total);
  }
}

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  const __m256 inverse = _mm256_set1_ps(inverse_rms(x, n, eps));
  for_lanes(n, y, [&](int64_t i, int64_t left) {
    return _mm256_mul_ps(_mm256_mul_ps(load_floats(x + i, left), inverse),
                         load_floats(weight + i, left));
  });
}

void gated_rms_norm(const float* x, const float* weight, const float* gate, int64_t n, float eps,
                    float* y) {
  const __m256 inverse = _mm256_set1_ps(inverse_rms(x, n, eps));
  for_lanes(n, y, [&](int64_t i, int64_t left) {
    const __m256 normed = _mm256_mul_ps(load_floats(x + i, left), inverse);
    return _mm256_mul_ps(_mm256_mul_ps(normed, load_floats(weight + i, left)),
                         silu(load_floats(gate + i, left)));
  });
}

void l2_normalize(const float* x, int64_t n, float scale, float* y) {
  const __m256 factor = _mm256_set1_ps(scale / sqrtf(sum_of_squares(x, n) + 1e-6f));
  for_lanes(n, y, [&](int64_t i, int64_t left) {
    return _mm256_mul_ps(load_floats(x + i, left), factor);
  });
}

void swiglu(float* gate, const float* up, int64_t n) {
  for_lanes(n, gate, [&](int64_t i, int64_t left) {
    return _mm256_mul_ps(silu(load_floats(gate + i, left)), load_floats(up + i, left));
  });
}

void sigmoid_gate(float* x, const float* gate, int64_t n) {
  for_lanes(n, x, [&](int64_t i, int64_t left) {
    return _mm256_mul_ps(load_floats(x + i, left), sigmoid(load_floats(gate + i, left)));
  });
}

void accumulate(const float* x, float scale, int64_t n, float* y) {
  for_lanes(n, y, [&](int64_t i, int64_t left) {
    return _mm256_fmadd_ps(_mm256_set1_ps(scale), load_floats(x + i, left),
                           load_floats(y + i, left));
  });
}

void conv_silu(const ConvRun& run) {
  for (int64_t t = 0; t < run.tokens; ++t) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= run.channels; c += 4 * kLanes) conv_vectors<4>(run, t, c);
    for (; c < run.channels; c += kLanes) conv_vectors<1>(run, t, c);
  }
  // Oldest first: a row is read, as a later token's past, before it is overwritten.
  const int64_t past = run.taps - 1;
  for (int64_t i = 0; i < past; ++i) {
    for (int64_t c = 0; c < run.channels; c += kLanes) {
      const int64_t left = run.channels - c;
      store_floats(run.history + i * run.weight_stride + c,
                   load_floats(conv_input(run, run.tokens - past + i) + c, left), left);
    }
  }
}

}  // namespace hearth::avx2
