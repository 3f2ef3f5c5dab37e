// Matrix products, value by value. Packed weights are read through one small decoder, so that the
// formula stands here once:
//   W[n,k] = scale[k/group, n] · (code[n,k] − zero[k/group, n])
// Each is read once for all tokens, since the tests of every other set wait for these.
#include "base/half.h"
#include "kernels/reference/kernels.h"

namespace hearth::reference {
namespace {

/// Reads a K-packed matrix value by value.
template <int kBits>
class Packed {
 public:
  explicit Packed(const QuantizedMatrix& matrix) : matrix_(matrix) {}

  int32_t code(int64_t n, int64_t k) const {
    const uint32_t* words = static_cast<const uint32_t*>(matrix_.weights);
    return field(words[k / kPerWord * matrix_.rows + n], k % kPerWord);
  }

  int32_t zero(int64_t n, int64_t group) const {
    if (!matrix_.zeros) return 1 << (kBits - 1);
    const int64_t words = matrix_.rows / kPerWord;
    return field(matrix_.zeros[group * words + n / kPerWord], n % kPerWord) + matrix_.zero_offset;
  }

  float scale(int64_t n, int64_t group) const {
    const uint16_t half = matrix_.scales[group * matrix_.rows + n];
    return matrix_.scale_type == ScaleType::kF16 ? f16_to_float(half) : bf16_to_float(half);
  }

 private:
  static constexpr int64_t kPerWord = 32 / kBits;
  static constexpr uint32_t kMask = (1u << kBits) - 1;

  int32_t field(uint32_t word, int64_t index) const {
    return static_cast<int32_t>((word >> (kBits * index)) & kMask);
  }

  const QuantizedMatrix& matrix_;
};

/// The int8 value of input k of a token, in the order of the layout (see quantize_activations).
template <int kBits>
int32_t activation(const ActivationTile& input, int64_t k, int token) {
  const int64_t word = kBits == 4 ? k / 8 * 2 + k % 2 : k / 4;
  const int64_t byte = kBits == 4 ? k % 8 / 2 : k % 4;
  const uint32_t packed = static_cast<uint32_t>(input.words[word * input.tokens + token]);
  return static_cast<int8_t>(packed >> (8 * byte));
}

/// dots[t] = Σ code·a of token t over block b.
template <int kBits>
void block_dots(const Packed<kBits>& packed, int64_t n, int64_t b, const ActivationTile& input,
                int32_t* dots) {
  for (int t = 0; t < input.tokens; ++t) dots[t] = 0;
  for (int64_t k = b * input.block; k < (b + 1) * input.block; ++k) {
    const int32_t code = packed.code(n, k);
    for (int t = 0; t < input.tokens; ++t) dots[t] += code * activation<kBits>(input, k, t);
  }
}

template <int kBits>
void product_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                  const ActivationTile& input, const ProductOutput& output) {
  const Packed<kBits> packed(matrix);
  for (int64_t n = row_begin; n < row_end; ++n) {
    float sums[kMaxTileTokens] = {};
    for (int64_t b = 0; b < matrix.cols / input.block; ++b) {
      const int64_t group = b * input.block / matrix.group_size;
      int32_t dots[kMaxTileTokens];
      block_dots(packed, n, b, input, dots);
      for (int t = 0; t < input.tokens; ++t) {
        const int32_t dot = dots[t] - packed.zero(n, group) * input.sums[b * input.tokens + t];
        const float scale = packed.scale(n, group) * input.scales[b * input.tokens + t];
        sums[t] += scale * static_cast<float>(dot);
      }
    }
    for (int t = 0; t < input.tokens; ++t) {
      output.values[t * output.stride + n - row_begin] = sums[t];
    }
  }
}

template <int kBits>
void block_sums(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                const ActivationTile& input, int32_t* sums) {
  const Packed<kBits> packed(matrix);
  for (int64_t b = block_begin; b < block_end; ++b) {
    for (int64_t n = 0; n < matrix.rows; ++n) block_dots(packed, n, b, input, sums++);
  }
}

template <int kBits>
void scale_sums(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const ActivationTile& input, const int32_t* sums, float* y) {
  const Packed<kBits> packed(matrix);
  for (int64_t n = row_begin; n < row_end; ++n) {
    float sum = 0.0f;
    for (int64_t b = 0; b < matrix.cols / input.block; ++b) {
      const int64_t group = b * input.block / matrix.group_size;
      const int32_t dot = sums[b * matrix.rows + n] - packed.zero(n, group) * input.sums[b];
      sum += packed.scale(n, group) * input.scales[b] * static_cast<float>(dot);
    }
    y[n - row_begin] = sum;
  }
}

template <int kBits>
void product_packed_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                          const FloatTile& input, const ProductOutput& output) {
  const Packed<kBits> packed(matrix);
  for (int64_t n = row_begin; n < row_end; ++n) {
    double sums[kMaxTileTokens] = {};
    for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
      const int32_t zero = packed.zero(n, group);
      double parts[kMaxTileTokens] = {};
      for (int64_t k = group * matrix.group_size; k < (group + 1) * matrix.group_size; ++k) {
        const double code = static_cast<double>(packed.code(n, k) - zero);
        for (int t = 0; t < input.tokens; ++t) {
          parts[t] += code * static_cast<double>(input.rows[t][k]);
        }
      }
      const double scale = static_cast<double>(packed.scale(n, group));
      for (int t = 0; t < input.tokens; ++t) sums[t] += scale * parts[t];
    }
    for (int t = 0; t < input.tokens; ++t) {
      output.values[t * output.stride + n - row_begin] = static_cast<float>(sums[t]);
    }
  }
}

/// value(index) reads element `index` of the row-major matrix.
template <typename Value>
void product_plain(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const FloatTile& input, const ProductOutput& output, const Value& value) {
  for (int t = 0; t < input.tokens; ++t) {
    const float* x = input.rows[t];
    for (int64_t n = row_begin; n < row_end; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < matrix.cols; ++k) {
        sum += static_cast<double>(value(n * matrix.cols + k)) * static_cast<double>(x[k]);
      }
      output.values[t * output.stride + n - row_begin] = static_cast<float>(sum);
    }
  }
}

}  // namespace

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  product_int8<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  product_int8<8>(matrix, row_begin, row_end, input, output);
}

void block_sums_w4(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                   const ActivationTile& input, int32_t* sums) {
  block_sums<4>(matrix, block_begin, block_end, input, sums);
}

void block_sums_w8(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                   const ActivationTile& input, int32_t* sums) {
  block_sums<8>(matrix, block_begin, block_end, input, sums);
}

void scale_sums_w4(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const ActivationTile& input, const int32_t* sums, float* y) {
  scale_sums<4>(matrix, row_begin, row_end, input, sums, y);
}

void scale_sums_w8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const ActivationTile& input, const int32_t* sums, float* y) {
  scale_sums<8>(matrix, row_begin, row_end, input, sums, y);
}

void matmul_w4_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  product_packed_float<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  product_packed_float<8>(matrix, row_begin, row_end, input, output);
}

void matmul_bf16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                 const FloatTile& input, const ProductOutput& output) {
  const uint16_t* weights = static_cast<const uint16_t*>(matrix.weights);
  product_plain(matrix, row_begin, row_end, input, output,
                [=](int64_t i) { return bf16_to_float(weights[i]); });
}

void matmul_f16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  const uint16_t* weights = static_cast<const uint16_t*>(matrix.weights);
  product_plain(matrix, row_begin, row_end, input, output,
                [=](int64_t i) { return f16_to_float(weights[i]); });
}

void matmul_f32(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output) {
  const float* weights = static_cast<const float*>(matrix.weights);
  product_plain(matrix, row_begin, row_end, input, output, [=](int64_t i) { return weights[i]; });
}

}  // namespace hearth::reference
