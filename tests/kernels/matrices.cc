#include "tests/kernels/matrices.h"

#include <fmt/core.h>

#include <cmath>

#include "base/half.h"

namespace hearth::kernel_check {
namespace {

uint32_t draw_code(Codes codes, uint32_t largest, Random& random) {
  switch (codes) {
    case Codes::kRandom: return static_cast<uint32_t>(random.integer(0, largest));
    case Codes::kSmallest: return 0;
    case Codes::kLargest: return largest;
    case Codes::kExtremes: return random.coin() ? largest : 0;
  }
  return 0;
}

float draw_weight(Random& random) {
  switch (random.integer(0, 15)) {
    case 0: return 0.0f;
    case 1: return random.normal() * 1e-6f;  // subnormal as f16
    case 2: return random.normal() * 100.0f;
    default: return random.normal();
  }
}

}  // namespace

std::string describe(const PackedShape& shape) {
  static constexpr const char* kCodes[] = {"random", "smallest", "largest", "extreme"};
  static constexpr const char* kZeros[] = {"symmetric", "zeros", "zeros+1"};
  return fmt::format(
      "[{} x {}] group {} {} codes{} {} {} {}", shape.rows, shape.cols, shape.group,
      kCodes[static_cast<int>(shape.codes)], shape.scales == Scales::kUnit ? " unit scales" : "",
      kZeros[static_cast<int>(shape.zeros)], shape.scale_type == ScaleType::kF16 ? "f16" : "bf16",
      shape.edge == Edge::kEnd ? "at the end" : "at the start");
}

PackedMatrix::PackedMatrix(const PackedShape& shape, Random& random) : shape_(shape) {
  draw_scales(random);
  draw_zeros(random);
  draw_codes(random);
}

void PackedMatrix::draw_scales(Random& random) {
  const int64_t groups = shape_.cols / shape_.group;
  scales_ = Guarded<uint16_t>(groups * shape_.rows, shape_.edge);
  scale_values_.resize(static_cast<size_t>(groups * shape_.rows));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t n = 0; n < shape_.rows; ++n) {
      float value = 0x1p-4f;
      if (shape_.scales == Scales::kRandom) {
        value = static_cast<float>(std::pow(10.0, -4.0 + 3.0 * random.uniform()));
        if (random.integer(0, 31) == 0) value = 3e-6f;  // subnormal as f16
      }
      if (random.coin()) value = -value;
      const bool f16 = shape_.scale_type == ScaleType::kF16;
      const uint16_t half = f16 ? float_to_f16(value) : float_to_bf16(value);
      scales_[g * shape_.rows + n] = half;
      scale_values_[at(n, g, groups)] =
          static_cast<double>(f16 ? f16_to_float(half) : bf16_to_float(half));
    }
  }
  scales_.seal();
}

void PackedMatrix::draw_zeros(Random& random) {
  const int64_t groups = shape_.cols / shape_.group;
  const int64_t per_word = 32 / shape_.bits;
  zeros_.assign(static_cast<size_t>(groups * shape_.rows), 1 << (shape_.bits - 1));
  if (shape_.zeros == Zeros::kSymmetric) return;
  const int32_t offset = shape_.zeros == Zeros::kOffset1 ? 1 : 0;
  const int64_t row_words = shape_.rows / per_word;
  zero_words_ = Guarded<uint32_t>(groups * row_words, shape_.edge);
  for (int64_t i = 0; i < zero_words_.size(); ++i) zero_words_[i] = 0;
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t n = 0; n < shape_.rows; ++n) {
      // The largest field, too: with the offset it is beyond what a field can hold.
      const uint32_t field =
          draw_code(random.integer(0, 3) == 0 ? Codes::kExtremes : Codes::kRandom,
                    (1u << shape_.bits) - 1, random);
      zero_words_[g * row_words + n / per_word] |= field << (shape_.bits * (n % per_word));
      zeros_[at(n, g, groups)] = static_cast<int32_t>(field) + offset;
    }
  }
  zero_words_.seal();
}

void PackedMatrix::draw_codes(Random& random) {
  const int64_t groups = shape_.cols / shape_.group;
  const int64_t per_word = 32 / shape_.bits;
  words_ = Guarded<uint32_t>(shape_.cols / per_word * shape_.rows, shape_.edge);
  for (int64_t i = 0; i < words_.size(); ++i) words_[i] = 0;
  levels_.resize(static_cast<size_t>(shape_.rows * shape_.cols));
  for (int64_t k = 0; k < shape_.cols; ++k) {
    for (int64_t n = 0; n < shape_.rows; ++n) {
      const uint32_t code = draw_code(shape_.codes, (1u << shape_.bits) - 1, random);
      words_[k / per_word * shape_.rows + n] |= code << (shape_.bits * (k % per_word));
      levels_[at(n, k, shape_.cols)] =
          static_cast<int32_t>(code) - zeros_[at(n, k / shape_.group, groups)];
    }
  }
  words_.seal();
}

QuantizedMatrix PackedMatrix::view() const {
  QuantizedMatrix matrix;
  matrix.layout = shape_.bits == 4 ? QuantLayout::kW4KPacked : QuantLayout::kW8KPacked;
  matrix.scale_type = shape_.scale_type;
  matrix.rows = shape_.rows;
  matrix.cols = shape_.cols;
  matrix.group_size = shape_.group;
  matrix.weights = words_.data();
  matrix.scales = scales_.data();
  if (shape_.zeros != Zeros::kSymmetric) {
    matrix.zeros = zero_words_.data();
    matrix.zero_offset = shape_.zeros == Zeros::kOffset1 ? 1 : 0;
  }
  return matrix;
}

PlainMatrix::PlainMatrix(QuantLayout layout, int64_t rows, int64_t cols, Edge edge, Random& random)
    : layout_(layout), rows_(rows), cols_(cols), values_(static_cast<size_t>(rows * cols)) {
  const bool wide = layout == QuantLayout::kF32;
  if (wide) floats_ = Guarded<float>(rows * cols, edge);
  else halves_ = Guarded<uint16_t>(rows * cols, edge);
  for (int64_t i = 0; i < rows * cols; ++i) {
    float value = draw_weight(random);
    if (wide) {
      floats_[i] = value;
    } else if (layout == QuantLayout::kBf16) {
      halves_[i] = float_to_bf16(value);
      value = bf16_to_float(halves_[i]);
    } else {
      halves_[i] = float_to_f16(value);
      value = f16_to_float(halves_[i]);
    }
    values_[static_cast<size_t>(i)] = static_cast<double>(value);
  }
  if (wide) floats_.seal();
  else halves_.seal();
}

QuantizedMatrix PlainMatrix::view() const {
  QuantizedMatrix matrix;
  matrix.layout = layout_;
  matrix.rows = rows_;
  matrix.cols = cols_;
  matrix.weights = layout_ == QuantLayout::kF32 ? static_cast<const void*>(floats_.data())
                                                : static_cast<const void*>(halves_.data());
  return matrix;
}

}  // namespace hearth::kernel_check
