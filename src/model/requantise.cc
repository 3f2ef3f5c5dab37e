#include "model/requantise.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/half.h"

// The loops over a group have constant bounds and no branches, so that compilers make vectors of
// them; sums are kept in kLanes parts for the same reason, and to be formed in one order always.

namespace hearth {
namespace {

/// Copies of many rows lie in slices that one worker reads front to back; copies of fewer would
/// have too few slices for all workers.
constexpr int64_t kSliceRows = 512;
constexpr int64_t kSlicesMin = 16;
constexpr int64_t kTaskRows = 64;  // one task's rows: whole cache lines of a K-packed row of words
constexpr int kLanes = 16;
constexpr int64_t kMinGroup = 32;
constexpr float kTinyScale = 1e-30f;  // below, its inverse nears infinity: the group becomes zeros

// Adding it leaves a number's nearest integer in the low bits of the sum, ties to even.
constexpr float kRoundingBias = 12582912.0f;  // 1.5 · 2^23

int64_t group_of(int64_t cols) {
  int64_t group = kRequantisedGroup;
  while (group >= kMinGroup && cols % group != 0) group /= 2;
  return group >= kMinGroup ? group : 0;
}

/// One group's weights in float: rows of kRequantisedGroup values, zeros behind the group's end.
struct GroupTile {
  alignas(64) float values[kTaskRows][kRequantisedGroup];
};

int largest_bits(const float* values) {
  std::array<int, kLanes> largest{};
  for (int64_t k = 0; k < kRequantisedGroup; k += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      const int bits = std::bit_cast<int>(values[k + i]) & 0x7FFFFFFF;
      largest[static_cast<size_t>(i)] =
          bits > largest[static_cast<size_t>(i)] ? bits : largest[static_cast<size_t>(i)];
    }
  }
  int all = 0;
  for (const int bits : largest) all = bits > all ? bits : all;
  return all;
}

float rounded_scale(float scale) { return bf16_to_float(float_to_bf16(scale)); }

/// Codes round(value / scale) in [−limit − 1, limit], kept as floats. They are cut off as integers,
/// which baseline instructions compare without regard to NaN.
void round_codes(const float* values, float scale, int limit, float* codes) {
  const float inverse = 1.0f / scale;
  for (int64_t k = 0; k < kRequantisedGroup; ++k) {
    int code =
        std::bit_cast<int>(values[k] * inverse + kRoundingBias) - std::bit_cast<int>(kRoundingBias);
    code = code > limit ? limit : code;
    code = code < -limit - 1 ? -limit - 1 : code;
    codes[k] = static_cast<float>(code);
  }
}

float sum_of(const std::array<float, kLanes>& parts) {
  float sum = 0;
  for (const float part : parts) sum += part;
  return sum;
}

float squared_error(const float* values, const float* codes, float scale) {
  std::array<float, kLanes> parts{};
  for (int64_t k = 0; k < kRequantisedGroup; k += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      const float d = values[k + i] - scale * codes[k + i];
      parts[static_cast<size_t>(i)] += d * d;
    }
  }
  return sum_of(parts);
}

float dot(const float* a, const float* b) {
  std::array<float, kLanes> parts{};
  for (int64_t k = 0; k < kRequantisedGroup; k += kLanes) {
    for (int i = 0; i < kLanes; ++i) parts[static_cast<size_t>(i)] += a[k + i] * b[k + i];
  }
  return sum_of(parts);
}

struct GroupCode {
  float scale = 0;
  float error = 0;  // squared
  alignas(64) float codes[kRequantisedGroup];
};

/// Eight bits: the largest value becomes ±127. The rounding of the scale moves it by less than a
/// third of a step.
void encode_8_bits(const float* values, float largest, GroupCode& best) {
  best.scale = rounded_scale(largest / 127.0f);
  round_codes(values, best.scale, 127, best.codes);
  best.error = squared_error(values, best.codes, best.scale);
}

/// Four bits: codes −8 … 7. A narrower range cuts off the largest values and gains on all others;
/// of either sign, since only one side has eight steps. Each trial's codes get the scale that is
/// the best for them, Σvc / Σc², and the trial with the least squared error wins.
void encode_4_bits(const float* values, float largest, GroupCode& best) {
  // Shares of the largest value that the code −8 stands for: a Gaussian group's best is about 0.9.
  constexpr std::array kShares = {1.12f, 1.04f, 0.97f, 0.9f, 0.83f, 0.76f};
  GroupCode trial;
  best.error = INFINITY;
  for (const float share : kShares) {
    for (const float sign : {1.0f, -1.0f}) {
      round_codes(values, sign * share * largest / 8.0f, 7, trial.codes);
      const float size = dot(trial.codes, trial.codes);
      if (size == 0) continue;
      trial.scale = rounded_scale(dot(values, trial.codes) / size);
      trial.error = squared_error(values, trial.codes, trial.scale);
      if (trial.error < best.error) best = trial;
    }
  }
}

/// The rows [first_row, first_row + rows) of a matrix on their way to fewer bits.
class RowTask {
 public:
  /// `words` and `scales` are those of the first row of `to`.
  RowTask(const QuantizedMatrix& from, const QuantizedMatrix& to, uint32_t* words, uint16_t* scales,
          int64_t first_row)
      : from_(from),
        to_(slice_at(to, first_row)),
        words_(words + (static_cast<const uint32_t*>(to_.weights) -
                        static_cast<const uint32_t*>(to.weights))),
        scales_(scales + (to_.scales - to.scales)),
        first_row_(first_row),
        slice_row_(row_in_slice(to, first_row)),
        rows_(std::min(kTaskRows, from.rows - first_row_)) {}

  double error() const { return error_; }
  double size() const { return size_; }

  /// False when a weight is not finite.
  bool run() {
    std::memset(tile_.values, 0, sizeof tile_.values);
    for (int64_t group = 0; group < to_.cols / to_.group_size; ++group) {
      load(group * to_.group_size);
      for (int64_t row = 0; row < rows_; ++row) {
        if (!encode(group, row)) return false;
      }
      store(group * to_.group_size);
    }
    return true;
  }

 private:
  void load(int64_t first_col) {
    switch (from_.layout) {
      case QuantLayout::kBf16: return load_plain<uint16_t>(first_col, bf16_to_float);
      case QuantLayout::kF16: return load_plain<uint16_t>(first_col, f16_to_float);
      case QuantLayout::kF32: return load_plain<float>(first_col, [](float x) { return x; });
      case QuantLayout::kW8KPacked: return load_packed(first_col);
      case QuantLayout::kW4KPacked: return;  // has few enough bits, and is never asked for
    }
  }

  template <typename T, typename Convert>
  void load_plain(int64_t first_col, const Convert& convert) {
    for (int64_t row = 0; row < rows_; ++row) {
      const T* source =
          static_cast<const T*>(from_.weights) + (first_row_ + row) * from_.cols + first_col;
      for (int64_t k = 0; k < to_.group_size; ++k) tile_.values[row][k] = convert(source[k]);
    }
  }

  float old_scale(int64_t group, int64_t row) const {
    const uint16_t bits = from_.scales[group * from_.rows + row];
    return from_.scale_type == ScaleType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
  }

  int old_zero(int64_t group, int64_t row) const {
    if (!from_.zeros) return 128;
    const uint32_t word = from_.zeros[group * (from_.rows / 4) + row / 4];
    return static_cast<int>(word >> (8 * (row % 4)) & 0xFF) + from_.zero_offset;
  }

  void load_packed(int64_t first_col) {
    float scales[kTaskRows];
    int zeros[kTaskRows];
    int64_t known_group = -1;
    for (int64_t k = 0; k < to_.group_size; k += 4) {
      const int64_t old_group = (first_col + k) / from_.group_size;
      if (old_group != known_group) {
        for (int64_t row = 0; row < rows_; ++row) {
          scales[row] = old_scale(old_group, first_row_ + row);
          zeros[row] = old_zero(old_group, first_row_ + row);
        }
        known_group = old_group;
      }
      const uint32_t* words = static_cast<const uint32_t*>(from_.weights) +
                              (first_col + k) / 4 * from_.rows + first_row_;
      for (int64_t row = 0; row < rows_; ++row) {
        for (int64_t i = 0; i < 4; ++i) {
          const int code = static_cast<int>(words[row] >> (8 * i) & 0xFF);
          tile_.values[row][k + i] = scales[row] * static_cast<float>(code - zeros[row]);
        }
      }
    }
  }

  bool encode(int64_t group, int64_t row) {
    const float* values = tile_.values[row];
    const float largest = std::bit_cast<float>(largest_bits(values));
    if (!std::isfinite(largest)) return false;
    const bool four = to_.layout == QuantLayout::kW4KPacked;
    const int zero = four ? 8 : 128;
    if (largest < kTinyScale) {
      std::memset(codes_[row], zero, sizeof codes_[row]);
      scales_[group * to_.rows + slice_row_ + row] = 0;
      return true;
    }
    if (four) encode_4_bits(values, largest, code_);
    else encode_8_bits(values, largest, code_);
    for (int64_t k = 0; k < kRequantisedGroup; ++k) {
      codes_[row][k] = static_cast<uint8_t>(static_cast<int>(code_.codes[k]) + zero);
    }
    scales_[group * to_.rows + slice_row_ + row] = float_to_bf16(code_.scale);
    error_ += code_.error;
    size_ += dot(values, values);
    return true;
  }

  void store(int64_t first_col) {
    if (to_.layout == QuantLayout::kW8KPacked) {
      store_words<uint32_t>(first_col, [](uint32_t bytes) { return bytes; });
      return;
    }
    store_words<uint64_t>(first_col, [](uint64_t bytes) {
      // Eight bytes, each below 16, to eight nibbles in the same order.
      bytes = (bytes | bytes >> 4) & 0x00FF00FF00FF00FF;
      bytes = (bytes | bytes >> 8) & 0x0000FFFF0000FFFF;
      return static_cast<uint32_t>(bytes | bytes >> 16);
    });
  }

  /// The codes of one word are read as `Codes`, a byte each. Their number is a constant: a copy of
  /// a size known only here would be stored in parts, and reading it back would wait for them.
  template <typename Codes, typename Pack>
  void store_words(int64_t first_col, const Pack& pack) {
    constexpr int64_t kPerWord = sizeof(Codes);
    for (int64_t k = 0; k < to_.group_size; k += kPerWord) {
      uint32_t* words = words_ + (first_col + k) / kPerWord * to_.rows + slice_row_;
      for (int64_t row = 0; row < rows_; ++row) {
        Codes codes;
        std::memcpy(&codes, &codes_[row][k], sizeof codes);
        words[row] = pack(codes);
      }
    }
  }

  const QuantizedMatrix& from_;
  QuantizedMatrix to_;  // the slice that the rows are in
  uint32_t* words_;     // its
  uint16_t* scales_;    // likewise
  int64_t first_row_;
  int64_t slice_row_;  // the first row in the slice
  int64_t rows_;
  GroupTile tile_;
  GroupCode code_;
  alignas(64) uint8_t codes_[kTaskRows][kRequantisedGroup];
  double error_ = 0;
  double size_ = 0;
};

/// What the tasks of one matrix share.
struct MatrixTask {
  const QuantizedMatrix& from;
  const QuantizedMatrix& to;
  uint32_t* words;
  uint16_t* scales;
  std::vector<double> errors;  // one for each task, summed in order afterwards
  std::vector<double> sizes;
  std::atomic<bool> finite{true};
};

size_t word_bytes(int64_t rows, int64_t cols, int bits) {
  return static_cast<size_t>(rows * cols * bits / 8);
}

/// Bytes of a matrix's copy of `bits`; 0 when the matrix would stay.
size_t copy_bytes(const QuantizedMatrix& matrix, int bits) {
  const int64_t group = group_of(matrix.cols);
  if (weight_bits(matrix.layout) <= bits || group == 0) return 0;
  return word_bytes(matrix.rows, matrix.cols, bits) +
         static_cast<size_t>(matrix.cols / group * matrix.rows) * sizeof(uint16_t);
}

/// Calls visit(matrix, bits) for each matrix that is to have so many bits.
template <typename Weights, typename Visit>
void visit_targets(Weights& weights, HeadBits head, DenseBits dense, const Visit& visit) {
  if (head == HeadBits::k8) visit(weights.head, 8);
  if (dense == DenseBits::kCheckpoint) return;
  for (auto& layer : weights.layers) {
    auto& delta = layer.delta;
    auto& attention = layer.attention;
    auto& shared = layer.moe.shared;
    for (auto* matrix :
         {&delta.qkvz, &delta.out, &attention.query_gate, &attention.key, &attention.value,
          &attention.out, &shared.gate, &shared.up, &shared.down}) {
      if (matrix->weights) visit(*matrix, 4);
    }
  }
}

}  // namespace

double RequantisationReport::relative_rms() const {
  return squared_size > 0 ? std::sqrt(squared_error / squared_size) : 0.0;
}

size_t planned_copies(const ModelWeights& weights, HeadBits head, DenseBits dense) {
  size_t sum = 0;
  visit_targets(weights, head, dense,
                [&](const QuantizedMatrix& matrix, int bits) { sum += copy_bytes(matrix, bits); });
  return sum;
}

RequantisedCopies::RequantisedCopies(ModelWeights& weights, HeadBits head, DenseBits dense,
                                     Backend& backend) {
  visit_targets(weights, head, dense, [&](QuantizedMatrix& matrix, int bits) {
    replace(matrix, bits, backend, bits == 8 ? head_ : dense_);
  });
}

size_t RequantisedCopies::bytes() const {
  size_t sum = 0;
  for (const MemoryBlock& block : blocks_) sum += block.bytes();
  return sum;
}

void RequantisedCopies::replace(QuantizedMatrix& matrix, int bits, Backend& backend,
                                RequantisationReport& report) {
  const size_t bytes = copy_bytes(matrix, bits);
  if (bytes == 0) return;
  MemoryBlock& memory = blocks_.emplace_back(bytes);
  uint32_t* words = memory.as<uint32_t>();
  uint16_t* scales = reinterpret_cast<uint16_t*>(static_cast<std::byte*>(memory.data()) +
                                                 word_bytes(matrix.rows, matrix.cols, bits));
  const QuantizedMatrix packed{
      .layout = bits == 4 ? QuantLayout::kW4KPacked : QuantLayout::kW8KPacked,
      .scale_type = ScaleType::kBf16,
      .rows = matrix.rows,
      .cols = matrix.cols,
      .group_size = group_of(matrix.cols),
      .weights = words,
      .scales = scales,
      .slice_rows = matrix.rows >= kSlicesMin * kSliceRows ? kSliceRows : 0};
  const size_t tasks = static_cast<size_t>((matrix.rows + kTaskRows - 1) / kTaskRows);
  MatrixTask shared{.from = matrix,
                    .to = packed,
                    .words = words,
                    .scales = scales,
                    .errors = std::vector<double>(tasks),
                    .sizes = std::vector<double>(tasks)};
  backend.parallel(
      static_cast<int64_t>(tasks),
      [](void* context, int64_t index) {
        MatrixTask& all = *static_cast<MatrixTask*>(context);
        RowTask task(all.from, all.to, all.words, all.scales, index * kTaskRows);
        if (!task.run()) all.finite.store(false, std::memory_order_relaxed);
        all.errors[static_cast<size_t>(index)] = task.error();
        all.sizes[static_cast<size_t>(index)] = task.size();
      },
      &shared);
  if (!shared.finite.load()) {
    throw LoadError({.file = "",
                     .where = bits == 8 ? "the head" : "a dense projection",
                     .expected = "finite weights",
                     .found = "one that is not",
                     .advice = "The file is damaged or was exported wrongly; download it again."});
  }
  ++report.matrices;
  for (size_t i = 0; i < tasks; ++i) {
    report.squared_error += shared.errors[i];
    report.squared_size += shared.sizes[i];
  }
  matrix = packed;
}

}  // namespace hearth
