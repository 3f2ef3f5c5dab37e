// Quantisation, norms, gates and the convolution, as their formulas read.
#include <algorithm>
#include <cmath>

#include "kernels/reference/kernels.h"

namespace hearth::reference {
namespace {

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

float silu(float x) { return x * sigmoid(x); }

double sum_of_squares(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

float inverse_rms(const float* x, int64_t n, float eps) {
  const double mean = sum_of_squares(x, n) / static_cast<double>(n);
  return static_cast<float>(1.0 / std::sqrt(mean + static_cast<double>(eps)));
}

}  // namespace

void quantize_activations(const float* x, int64_t cols, int64_t block, QuantLayout order,
                          int64_t stride, int32_t* words, float* scales, int32_t* sums) {
  for (int64_t b = 0; b < cols / block; ++b) {
    const float* values = x + b * block;
    float largest = 0.0f;
    for (int64_t i = 0; i < block; ++i) largest = std::fmax(largest, std::fabs(values[i]));
    const float scale = largest / 127.0f;
    // 127/largest overflows for denormal inputs; such a block is as good as zero.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    int32_t sum = 0;
    for (int64_t i = 0; i < block; i += 4) {
      uint32_t packed = 0;
      for (int64_t byte = 0; byte < 4; ++byte) {
        const int64_t k =
            order == QuantLayout::kW4KPacked ? i / 8 * 8 + byte * 2 + i % 8 / 4 : i + byte;
        const int32_t code = static_cast<int32_t>(std::nearbyint(values[k] * inverse));
        sum += code;
        packed |= (static_cast<uint32_t>(code) & 0xFFu) << (8 * byte);
      }
      words[(b * block + i) / 4 * stride] = static_cast<int32_t>(packed);
    }
    scales[b * stride] = inverse == 0.0f ? 0.0f : scale;
    sums[b * stride] = sum;
  }
}

void interleave(const int32_t* const* rows, int tokens, int64_t words, int32_t* tile) {
  // A cache line of every row at a time: the part of the tile that is written stays in the cache.
  constexpr int64_t kLine = 16;
  for (int64_t begin = 0; begin < words; begin += kLine) {
    const int64_t end = std::min(begin + kLine, words);
    for (int t = 0; t < tokens; ++t) {
      for (int64_t i = begin; i < end; ++i) tile[i * tokens + t] = rows[t][i];
    }
  }
}

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  const float inverse = inverse_rms(x, n, eps);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse * weight[i];
}

void gated_rms_norm(const float* x, const float* weight, const float* gate, int64_t n, float eps,
                    float* y) {
  const float inverse = inverse_rms(x, n, eps);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse * weight[i] * silu(gate[i]);
}

void l2_normalize(const float* x, int64_t n, float scale, float* y) {
  const float factor = static_cast<float>(scale / std::sqrt(sum_of_squares(x, n) + 1e-6));
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor;
}

void swiglu(float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) gate[i] = silu(gate[i]) * up[i];
}

void sigmoid_gate(float* x, const float* gate, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] *= sigmoid(gate[i]);
}

void accumulate(const float* x, float scale, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

void conv_silu(const ConvRun& run) {
  const int64_t past = run.taps - 1;
  const auto input = [&](int64_t t, int64_t c) {
    return t < 0 ? run.history[(t + past) * run.weight_stride + c]
                 : run.input[t * run.input_stride + c];
  };
  for (int64_t t = 0; t < run.tokens; ++t) {
    for (int64_t c = 0; c < run.channels; ++c) {
      float sum = 0.0f;
      for (int64_t j = 0; j < run.taps; ++j) {
        sum += run.weights[j * run.weight_stride + c] * input(t - past + j, c);
      }
      run.output[t * run.output_stride + c] = silu(sum);
    }
  }
  // Oldest first: row i is read before it is overwritten, since it takes a later token's inputs.
  for (int64_t i = 0; i < past; ++i) {
    for (int64_t c = 0; c < run.channels; ++c) {
      run.history[i * run.weight_stride + c] = input(run.tokens - past + i, c);
    }
  }
}

}  // namespace hearth::reference
