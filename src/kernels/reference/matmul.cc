// Matrix products, value by value. Packed weights are read through one small decoder, so that the
// formula stands here once:
//   W[n,k] = scale[k/group, n] · (code[n,k] − zero[k/group, n])
#include "base/half.h"
#include "kernels/reference/kernels.h"

namespace hearth::reference {
namespace {

/// Reads a K-packed matrix of `bits` bits value by value.
class Packed {
 public:
  Packed(const QuantizedMatrix& matrix, int bits)
      : matrix_(matrix), bits_(bits), per_word_(32 / bits), mask_((1u << bits) - 1) {}

  int32_t code(int64_t n, int64_t k) const {
    const uint32_t* words = static_cast<const uint32_t*>(matrix_.weights);
    return field(words[k / per_word_ * matrix_.rows + n], k % per_word_);
  }

  int32_t zero(int64_t n, int64_t group) const {
    if (!matrix_.zeros) return 1 << (bits_ - 1);
    const int64_t words = matrix_.rows / per_word_;
    return field(matrix_.zeros[group * words + n / per_word_], n % per_word_) + matrix_.zero_offset;
  }

  float scale(int64_t n, int64_t group) const {
    const uint16_t half = matrix_.scales[group * matrix_.rows + n];
    return matrix_.scale_type == ScaleType::kF16 ? f16_to_float(half) : bf16_to_float(half);
  }

 private:
  int32_t field(uint32_t word, int64_t index) const {
    return static_cast<int32_t>((word >> (bits_ * index)) & mask_);
  }

  const QuantizedMatrix& matrix_;
  int bits_;
  int64_t per_word_;
  uint32_t mask_;
};

/// The int8 value of input k of a token, in the order of the layout (see quantize_activations).
int32_t activation(const ActivationTile& input, int bits, int64_t k, int token) {
  const int64_t word = bits == 4 ? k / 8 * 2 + k % 2 : k / 4;
  const int64_t byte = bits == 4 ? k % 8 / 2 : k % 4;
  const uint32_t packed = static_cast<uint32_t>(input.words[word * input.tokens + token]);
  return static_cast<int8_t>(packed >> (8 * byte));
}

void product_int8(const QuantizedMatrix& matrix, int bits, int64_t row_begin, int64_t row_end,
                  const ActivationTile& input, const ProductOutput& output) {
  const Packed packed(matrix, bits);
  for (int t = 0; t < input.tokens; ++t) {
    for (int64_t n = row_begin; n < row_end; ++n) {
      float sum = 0.0f;
      for (int64_t b = 0; b < matrix.cols / input.block; ++b) {
        const int64_t group = b * input.block / matrix.group_size;
        int32_t dot = -packed.zero(n, group) * input.sums[b * input.tokens + t];
        for (int64_t k = b * input.block; k < (b + 1) * input.block; ++k) {
          dot += packed.code(n, k) * activation(input, bits, k, t);
        }
        const float scale = packed.scale(n, group) * input.scales[b * input.tokens + t];
        sum += scale * static_cast<float>(dot);
      }
      output.values[t * output.stride + n - row_begin] = sum;
    }
  }
}

/// Σ code·a of one token over block b.
int32_t block_sum(const Packed& packed, int bits, int64_t n, int64_t b,
                  const ActivationTile& input) {
  int32_t sum = 0;
  for (int64_t k = b * input.block; k < (b + 1) * input.block; ++k) {
    sum += packed.code(n, k) * activation(input, bits, k, 0);
  }
  return sum;
}

void block_sums(const QuantizedMatrix& matrix, int bits, int64_t block_begin, int64_t block_end,
                const ActivationTile& input, int32_t* sums) {
  const Packed packed(matrix, bits);
  for (int64_t b = block_begin; b < block_end; ++b) {
    for (int64_t n = 0; n < matrix.rows; ++n) *sums++ = block_sum(packed, bits, n, b, input);
  }
}

void scale_sums(const QuantizedMatrix& matrix, int bits, int64_t row_begin, int64_t row_end,
                const ActivationTile& input, const int32_t* sums, float* y) {
  const Packed packed(matrix, bits);
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

void product_packed_float(const QuantizedMatrix& matrix, int bits, int64_t row_begin,
                          int64_t row_end, const FloatTile& input, const ProductOutput& output) {
  const Packed packed(matrix, bits);
  for (int t = 0; t < input.tokens; ++t) {
    const float* x = input.rows[t];
    for (int64_t n = row_begin; n < row_end; ++n) {
      double sum = 0;
      for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
        const int32_t zero = packed.zero(n, group);
        double part = 0;
        for (int64_t k = group * matrix.group_size; k < (group + 1) * matrix.group_size; ++k) {
          part += static_cast<double>(packed.code(n, k) - zero) * static_cast<double>(x[k]);
        }
        sum += static_cast<double>(packed.scale(n, group)) * part;
      }
      output.values[t * output.stride + n - row_begin] = static_cast<float>(sum);
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
  product_int8(matrix, 4, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  product_int8(matrix, 8, row_begin, row_end, input, output);
}

void block_sums_w4(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                   const ActivationTile& input, int32_t* sums) {
  block_sums(matrix, 4, block_begin, block_end, input, sums);
}

void block_sums_w8(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                   const ActivationTile& input, int32_t* sums) {
  block_sums(matrix, 8, block_begin, block_end, input, sums);
}

void scale_sums_w4(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const ActivationTile& input, const int32_t* sums, float* y) {
  scale_sums(matrix, 4, row_begin, row_end, input, sums, y);
}

void scale_sums_w8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const ActivationTile& input, const int32_t* sums, float* y) {
  scale_sums(matrix, 8, row_begin, row_end, input, sums, y);
}

void matmul_w4_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  product_packed_float(matrix, 4, row_begin, row_end, input, output);
}

void matmul_w8_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
  product_packed_float(matrix, 8, row_begin, row_end, input, output);
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
