// Quantisation, norms, gates and the convolution, 4 values at a time.
#include <math.h>

#include "kernels/neon/kernels.h"
#include "kernels/neon/simd.h"

namespace hearth::neon {
namespace {

/// Of a block, a multiple of 8 values.
inline float block_absmax(const float* x, int64_t block) {
  float32x4_t largest = vdupq_n_f32(0.0f);
  for (int64_t i = 0; i < block; i += kLanes) {
    largest = vmaxq_f32(largest, vabsq_f32(vld1q_f32(x + i)));
  }
  return vmaxvq_f32(largest);
}

inline float sum_of_squares(const float* x, int64_t n) {
  float32x4_t sums[2] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    for (int j = 0; j < 2; ++j) {
      const float32x4_t v = vld1q_f32(x + i + j * kLanes);
      sums[j] = vfmaq_f32(sums[j], v, v);
    }
  }
  for (; i < n; i += kLanes) {
    const float32x4_t v = load_floats(x + i, n - i);
    sums[0] = vfmaq_f32(sums[0], v, v);
  }
  return vaddvq_f32(vaddq_f32(sums[0], sums[1]));
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

}  // namespace

void quantize_activations(const float* x, int64_t cols, int64_t block, QuantLayout order,
                          int64_t stride, int32_t* words, float* scales, int32_t* sums) {
  // The bytes of 8 consecutive k in the order of w4 words, even k, then odd k; else as they are.
  const int8_t even_odd[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  const int8_t as_they_are[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  const int8x8_t places = vld1_s8(order == QuantLayout::kW4KPacked ? even_odd : as_they_are);
  for (int64_t b = 0; b < cols / block; ++b, x += block, words += block / 4 * stride) {
    const float largest = block_absmax(x, block);
    // 127/largest overflows for denormal inputs; such a block is as good as zero.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    int32x4_t total = vdupq_n_s32(0);
    for (int64_t i = 0; i < block; i += 8) {
      const int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), inverse));
      const int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + kLanes), inverse));
      total = vaddq_s32(total, vaddq_s32(low, high));
      const int8x8_t bytes = vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high)));
      const int32x2_t pair = vreinterpret_s32_s8(vtbl1_s8(bytes, places));
      words[i / 4 * stride] = vget_lane_s32(pair, 0);
      words[(i / 4 + 1) * stride] = vget_lane_s32(pair, 1);
    }
    scales[b * stride] = inverse == 0.0f ? 0.0f : largest / 127.0f;
    sums[b * stride] = vaddvq_s32(total);
  }
}

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  const float inverse = inverse_rms(x, n, eps);
  for_lanes(n, y, [&](int64_t i, int64_t left) {
    return vmulq_f32(vmulq_n_f32(load_floats(x + i, left), inverse), load_floats(weight + i, left));
  });
}

void gated_rms_norm(const float* x, const float* weight, const float* gate, int64_t n, float eps,
                    float* y) {
  const float inverse = inverse_rms(x, n, eps);
  for_lanes(n, y, [&](int64_t i, int64_t left) {
    const float32x4_t normed =
        vmulq_f32(vmulq_n_f32(load_floats(x + i, left), inverse), load_floats(weight + i, left));
    return vmulq_f32(normed, silu(load_floats(gate + i, left)));
  });
}

void l2_normalize(const float* x, int64_t n, float scale, float* y) {
  const float factor = scale / sqrtf(sum_of_squares(x, n) + 1e-6f);
  for_lanes(n, y,
            [&](int64_t i, int64_t left) { return vmulq_n_f32(load_floats(x + i, left), factor); });
}

void swiglu(float* gate, const float* up, int64_t n) {
  for_lanes(n, gate, [&](int64_t i, int64_t left) {
    return vmulq_f32(silu(load_floats(gate + i, left)), load_floats(up + i, left));
  });
}

void sigmoid_gate(float* x, const float* gate, int64_t n) {
  for_lanes(n, x, [&](int64_t i, int64_t left) {
    return vmulq_f32(load_floats(x + i, left), sigmoid(load_floats(gate + i, left)));
  });
}

void accumulate(const float* x, float scale, int64_t n, float* y) {
  for_lanes(n, y, [&](int64_t i, int64_t left) {
    return vfmaq_n_f32(load_floats(y + i, left), load_floats(x + i, left), scale);
  });
}

void conv_silu(const ConvRun& run) {
  const int64_t past = run.taps - 1;
  const auto input = [&](int64_t t, int64_t c, int64_t left) {
    const float* row =
        t < 0 ? run.history + (t + past) * run.weight_stride : run.input + t * run.input_stride;
    return load_floats(row + c, left);
  };
  for (int64_t c = 0; c < run.channels; c += kLanes) {
    const int64_t left = run.channels - c;
    for (int64_t t = 0; t < run.tokens; ++t) {
      float32x4_t sum = vdupq_n_f32(0.0f);
      for (int64_t j = 0; j < run.taps; ++j) {
        const float32x4_t weight = load_floats(run.weights + j * run.weight_stride + c, left);
        sum = vfmaq_f32(sum, weight, input(t - past + j, c, left));
      }
      store_floats(run.output + t * run.output_stride + c, silu(sum), left);
    }
    // Oldest first: a row is read, as a later token's past, before it is overwritten.
    for (int64_t i = 0; i < past; ++i) {
      store_floats(run.history + i * run.weight_stride + c, input(run.tokens - past + i, c, left),
                   left);
    }
  }
}

}  // namespace hearth::neon
