// Random matrices in guarded memory, with their values at hand in plain form. They are packed here,
// not read back: the layouts' meaning is written down a second time.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_set.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {

enum class Codes : uint8_t {
  kRandom,
  kSmallest,  // all bits 0: −128 for symmetric 8-bit weights
  kLargest,   // all bits 1
  kExtremes,  // either, at random
};

enum class Scales : uint8_t {
  kRandom,  // either sign, magnitudes over three orders
  kUnit,    // ±2^−4: sums of small integers stay exact
};

enum class Zeros : uint8_t { kSymmetric, kOffset0, kOffset1 };

struct PackedShape {
  int bits = 4;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t group = 0;
  Codes codes = Codes::kRandom;
  Scales scales = Scales::kRandom;
  Zeros zeros = Zeros::kSymmetric;
  ScaleType scale_type = ScaleType::kF16;
  Edge edge = Edge::kEnd;
};

std::string describe(const PackedShape& shape);

class PackedMatrix {
 public:
  PackedMatrix(const PackedShape& shape, Random& random);

  const PackedShape& shape() const { return shape_; }
  QuantizedMatrix view() const;
  /// code − zero
  int32_t level(int64_t n, int64_t k) const { return levels_[at(n, k, shape_.cols)]; }
  double scale(int64_t n, int64_t group) const {
    return scale_values_[at(n, group, shape_.cols / shape_.group)];
  }

 private:
  static size_t at(int64_t row, int64_t column, int64_t columns) {
    return static_cast<size_t>(row * columns + column);
  }
  void draw_scales(Random& random);
  void draw_zeros(Random& random);
  void draw_codes(Random& random);

  PackedShape shape_;
  Guarded<uint32_t> words_;           // [cols/pf][rows]
  Guarded<uint16_t> scales_;          // [groups][rows]
  Guarded<uint32_t> zero_words_;      // [groups][rows/pf]
  std::vector<int32_t> levels_;       // [rows][cols]
  std::vector<int32_t> zeros_;        // [rows][groups]
  std::vector<double> scale_values_;  // [rows][groups]
};

/// Row-major weights of a 16-bit or 32-bit float type.
class PlainMatrix {
 public:
  PlainMatrix(QuantLayout layout, int64_t rows, int64_t cols, Edge edge, Random& random);

  QuantizedMatrix view() const;
  double value(int64_t n, int64_t k) const { return values_[static_cast<size_t>(n * cols_ + k)]; }

 private:
  QuantLayout layout_;
  int64_t rows_;
  int64_t cols_;
  Guarded<uint16_t> halves_;
  Guarded<float> floats_;
  std::vector<double> values_;  // [rows][cols]
};

}  // namespace hearth::kernel_check
