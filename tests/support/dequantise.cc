#include "tests/support/dequantise.h"

#include "base/half.h"

namespace hearth::testing {
namespace {

float packed_value(const QuantizedMatrix& matrix, int64_t matrix_row, int64_t col) {
  const QuantizedMatrix m = slice_at(matrix, matrix_row);
  const int64_t row = row_in_slice(matrix, matrix_row);
  const int bits = weight_bits(m.layout);
  const int64_t per_word = 32 / bits;
  const uint32_t mask = (1u << bits) - 1;
  const int64_t group = col / m.group_size;
  const auto* words = static_cast<const uint32_t*>(m.weights);
  const uint32_t code = words[col / per_word * m.rows + row] >> (bits * (col % per_word)) & mask;

  int32_t zero = 1 << (bits - 1);
  if (m.zeros) {
    const uint32_t word = m.zeros[group * (m.rows / per_word) + row / per_word];
    zero = static_cast<int32_t>(word >> (bits * (row % per_word)) & mask) + m.zero_offset;
  }
  const uint16_t scale = m.scales[group * m.rows + row];
  return (m.scale_type == ScaleType::kF16 ? f16_to_float(scale) : bf16_to_float(scale)) *
         static_cast<float>(static_cast<int32_t>(code) - zero);
}

float plain_value(const QuantizedMatrix& m, int64_t index) {
  switch (m.layout) {
    case QuantLayout::kBf16: return bf16_to_float(static_cast<const uint16_t*>(m.weights)[index]);
    case QuantLayout::kF16: return f16_to_float(static_cast<const uint16_t*>(m.weights)[index]);
    default: return static_cast<const float*>(m.weights)[index];
  }
}

}  // namespace

std::vector<float> dequantise(const QuantizedMatrix& matrix) {
  std::vector<float> result;
  result.reserve(static_cast<size_t>(matrix.rows * matrix.cols));
  for (int64_t row = 0; row < matrix.rows; ++row) {
    for (int64_t col = 0; col < matrix.cols; ++col) {
      result.push_back(is_packed(matrix.layout) ? packed_value(matrix, row, col)
                                                : plain_value(matrix, row * matrix.cols + col));
    }
  }
  return result;
}

}  // namespace hearth::testing
