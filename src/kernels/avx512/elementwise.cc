// Norms, gates and the convolution: 16 values at a time, the last ones under a mask.
//
// All of it is small next to the products, but it sits between them on one token's path: sigmoid
// and SiLU therefore have an exp of their own (vector.h) instead of a call per value.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

/// Four independent sums hide the latency of the fma.
float sum_of_squares(const float* x, int64_t n) {
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                    _mm512_setzero_ps()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512 v = _mm512_loadu_ps(x + i + j * kLanes);
      sums[j] = _mm512_fmadd_ps(v, v, sums[j]);
    }
  }
  for (; i < n; i += kLanes) {
    const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
    sums[0] = _mm512_fmadd_ps(v, v, sums[0]);
  }
  return sum_lanes(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

float inverse_root(float x) {
  const __m128 root = _mm_sqrt_ss(_mm_set_ss(x));
  return _mm_cvtss_f32(_mm_div_ss(_mm_set_ss(1.0f), root));
}

float inverse_rms(const float* x, int64_t n, float eps) {
  return inverse_root(sum_of_squares(x, n) / static_cast<float>(n) + eps);
}

__m512 silu(__m512 x) { return _mm512_div_ps(x, sigmoid_divisor(x)); }

/// How far ahead of the convolution its inputs are asked for.
constexpr int64_t kFetchedTokens = 8;

/// Inputs of token t, where the history is tokens −(taps−1) … −1.
const float* conv_input(const ConvRun& run, int64_t t) {
  return t < 0 ? run.history + (t + run.taps - 1) * run.weight_stride
               : run.input + t * run.input_stride;
}

/// N vectors of token t's output from channel c on; a single one may be cut off by the last
/// channel.
template <int N>
HEARTH_INLINE void conv_vectors(const ConvRun& run, int64_t t, int64_t c) {
  const __mmask16 lanes = N > 1 ? __mmask16{0xFFFF} : first_lanes(run.channels - c);
  __m512 sums[N];
  for (int i = 0; i < N; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t j = 0; j < run.taps; ++j) {
    const float* weights = run.weights + j * run.weight_stride + c;
    const float* input = conv_input(run, t - run.taps + 1 + j) + c;
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      sums[i] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, weights + i * kLanes),
                                _mm512_maskz_loadu_ps(lanes, input + i * kLanes), sums[i]);
    }
  }
  float* output = run.output + t * run.output_stride + c;
  // Rows are too far apart for the processor to foresee the next one.
  const float* ahead = run.input + (t + kFetchedTokens) * run.input_stride + c;
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
    if (N > 1) _mm_prefetch(reinterpret_cast<const char*>(ahead + i * kLanes), _MM_HINT_T0);
    _mm512_mask_storeu_ps(output + i * kLanes, lanes, silu(sums[i]));
  }
}

}  // namespace

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  const __m512 inverse = _mm512_set1_ps(inverse_rms(x, n, eps));
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), inverse);
    _mm512_mask_storeu_ps(y + i, lanes, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, weight + i)));
  }
}

void gated_rms_norm(const float* x, const float* weight, const float* gate, int64_t n, float eps,
                    float* y) {
  const __m512 inverse = _mm512_set1_ps(inverse_rms(x, n, eps));
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), inverse);
    v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, weight + i));
    v = _mm512_mul_ps(v, silu(_mm512_maskz_loadu_ps(lanes, gate + i)));
    _mm512_mask_storeu_ps(y + i, lanes, v);
  }
}

void l2_normalize(const float* x, int64_t n, float scale, float* y) {
  const __m512 factor = _mm512_set1_ps(scale * inverse_root(sum_of_squares(x, n) + 1e-6f));
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    _mm512_mask_storeu_ps(y + i, lanes, _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), factor));
  }
}

void swiglu(float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    const __m512 v = silu(_mm512_maskz_loadu_ps(lanes, gate + i));
    _mm512_mask_storeu_ps(gate + i, lanes, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, up + i)));
  }
}

void sigmoid_gate(float* x, const float* gate, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    const __m512 divisor = sigmoid_divisor(_mm512_maskz_loadu_ps(lanes, gate + i));
    _mm512_mask_storeu_ps(x + i, lanes,
                          _mm512_div_ps(_mm512_maskz_loadu_ps(lanes, x + i), divisor));
  }
}

void accumulate(const float* x, float scale, int64_t n, float* y) {
  const __m512 factor = _mm512_set1_ps(scale);
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
    _mm512_mask_storeu_ps(y + i, lanes,
                          _mm512_fmadd_ps(factor, v, _mm512_maskz_loadu_ps(lanes, y + i)));
  }
}

void conv_silu(const ConvRun& run) {
  for (int64_t t = 0; t < run.tokens; ++t) {
    int64_t c = 0;
    for (; c + 4 * kLanes <= run.channels; c += 4 * kLanes) conv_vectors<4>(run, t, c);
    for (; c < run.channels; c += kLanes) conv_vectors<1>(run, t, c);
  }
  const int64_t past = run.taps - 1;
  // Oldest first: row i is read before it is overwritten, since it takes a later token's inputs.
  for (int64_t i = 0; i < past; ++i) {
    for (int64_t c = 0; c < run.channels; c += kLanes) {
      const __mmask16 lanes = first_lanes(run.channels - c);
      const __m512 input = _mm512_maskz_loadu_ps(lanes, conv_input(run, run.tokens - past + i) + c);
      _mm512_mask_storeu_ps(run.history + i * run.weight_stride + c, lanes, input);
    }
  }
}

}  // namespace hearth::avx512
