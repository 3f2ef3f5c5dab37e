// The few weight layouts that kernels compute with. Every checkpoint packing is read as one of
// them, in place where it can be (docs/FORMATS.md). Plain data: instruction-set files include it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

// K-packed (GPTQ, AutoRound): the matrix is stored transposed; one 32-bit word holds consecutive k
// of one output row n, the lowest k in the lowest bits:
//
//            n=0        n=1        n=2   …                    w4: pf = 8 values a word
//   k 0..7   [word]     [word]     [word]     ← row 0         w8: pf = 4 values a word
//   k 8..15  [word]     [word]     [word]     ← row 1
//
// value: W[n,k] = scale[k / group, n] · (code[n,k] − zero[k / group, n]), code unsigned.
enum class QuantLayout : uint8_t {
  kW4KPacked,  // uint32 [cols/8][rows]
  kW8KPacked,  // uint32 [cols/4][rows]
  kBf16,       // bfloat16 [rows][cols]
  kF16,        // IEEE half [rows][cols]
  kF32,        // float [rows][cols]
};

enum class ScaleType : uint8_t { kF16, kBf16 };

/// W [rows, cols] of a linear layer y = W·x (rows = outputs N, cols = inputs K). A view: the
/// checkpoint or the backend's memory owns what it points to.
struct QuantizedMatrix {
  QuantLayout layout = QuantLayout::kF32;
  ScaleType scale_type = ScaleType::kF16;  // packed layouts only
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t group_size = 0;         // inputs that share a scale; divides cols (packed layouts only)
  int32_t zero_offset = 0;        // added to every stored zero point: 1 for GPTQ v1, 0 for v2
  const void* weights = nullptr;  // see QuantLayout
  const uint16_t* scales = nullptr;  // [cols/group_size][rows], of scale_type
  const uint32_t* zeros = nullptr;   // packed along rows: [cols/group_size][rows/pf];
                                     // null: symmetric, zero = 2^(bits−1)
  /// Packed layouts: rows of a slice, the last one may have fewer. Slices lie one behind the other,
  /// each with weights and with scales like a matrix of its own, and have no zeros. 0: one slice.
  int64_t slice_rows = 0;
};

/// Where a row of the matrix is in the slice that has it.
inline int64_t row_in_slice(const QuantizedMatrix& matrix, int64_t row) {
  return matrix.slice_rows == 0 ? row : row % matrix.slice_rows;
}

/// The slice that has the row.
inline QuantizedMatrix slice_at(const QuantizedMatrix& matrix, int64_t row) {
  if (matrix.slice_rows == 0) return matrix;
  const int64_t first = row - row_in_slice(matrix, row);
  const int64_t words = matrix.cols / (matrix.layout == QuantLayout::kW4KPacked ? 8 : 4);
  QuantizedMatrix slice = matrix;
  slice.slice_rows = 0;
  slice.rows = matrix.rows - first < matrix.slice_rows ? matrix.rows - first : matrix.slice_rows;
  slice.weights = static_cast<const uint32_t*>(matrix.weights) + first * words;
  slice.scales = matrix.scales + first * (matrix.cols / matrix.group_size);
  return slice;
}

inline bool is_packed(QuantLayout layout) {
  return layout == QuantLayout::kW4KPacked || layout == QuantLayout::kW8KPacked;
}

/// Bits of one stored weight.
inline int weight_bits(QuantLayout layout) {
  switch (layout) {
    case QuantLayout::kW4KPacked: return 4;
    case QuantLayout::kW8KPacked: return 8;
    case QuantLayout::kBf16: return 16;
    case QuantLayout::kF16: return 16;
    case QuantLayout::kF32: return 32;
  }
  return 0;
}

/// Bytes that one product with this matrix reads: weights, scales and stored zero points.
inline size_t matrix_bytes(const QuantizedMatrix& matrix) {
  const size_t bits = static_cast<size_t>(weight_bits(matrix.layout));
  const size_t values = static_cast<size_t>(matrix.rows) * static_cast<size_t>(matrix.cols);
  size_t bytes = values * bits / 8;
  if (is_packed(matrix.layout)) {
    const size_t groups = static_cast<size_t>(matrix.cols / matrix.group_size);
    bytes += groups * static_cast<size_t>(matrix.rows) * sizeof(uint16_t);
    if (matrix.zeros) bytes += groups * static_cast<size_t>(matrix.rows) * bits / 8;
  }
  return bytes;
}

}  // namespace hearth
