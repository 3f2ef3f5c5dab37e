// One token times packed weights, all rows of a matrix: its words are read front to back.
//
// One token is bound by memory, and memory is fastest for a worker that reads on and on. Where
// pieces of rows are read, be they of 24 KiB, prefetchers stop and start anew with every piece and
// read on behind it in vain: two threads lose an eighth, one thread half. So the integer sums of
// all rows are in memory (the caches) meanwhile: Σ code·a of one block of inputs, less what a set
// subtracts from the codes to make them signed. They are exact, whoever forms them, so that workers
// can share a matrix by its inputs. Zero points and scales come last: one fma a block, in block
// order, the same bits as every other product of the set.
//
// `Vectors` has, beside what int8_panels.h says of it:
//   load_ints(p, left), store_ints(p, ints, left)   kLanes of them or fewer
//   Operand, broadcast(word)                        four int8 activations in every lane
//   add_words<bits>(sums, p, left, operands)        adds the products of kLanes words or fewer
//   add(a, b)                                       ints
//   kWordsAhead                                     how far ahead lines of words are asked for
//
// Internal linkage throughout: every set compiles it with its own flags.
#pragma once

#include "kernels/inline.h"
#include "kernels/kernel_set.h"

namespace hearth {
namespace {

template <typename Vectors>
struct Int8Stream {
  using Ints = typename Vectors::Ints;
  static constexpr int64_t kLanes = Vectors::kLanes;
  static constexpr int64_t kLine = 16;  // words of a cache line
  /// Most rows of whole: sums that stay in the first-level cache.
  static constexpr int64_t kMaxRows = 2048;

  /// A MatmulInt8 of one token and all rows, unless these are too many; false for others.
  template <int kBits>
  static bool whole(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, float* y) {
    if (input.tokens > 1 || row_end - row_begin < matrix.rows || row_end > kMaxRows) return false;
    alignas(64) int32_t sums[kMaxRows];
    for (int64_t n = 0; n < matrix.rows; ++n) y[n] = 0.0f;
    for (int64_t b = 0; b < matrix.cols / input.block; ++b) {
      ask_for_scales<kBits>(matrix, b * input.block / matrix.group_size);
      block_sums<kBits>(matrix, b, input, sums);
      scale_rows<kBits>(matrix, 0, matrix.rows, b, input, sums, y);
    }
    return true;
  }

  /// A BlockSums.
  template <int kBits>
  static void sums_of_blocks(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                             const ActivationTile& input, int32_t* sums) {
    for (int64_t b = block_begin; b < block_end; ++b, sums += matrix.rows) {
      block_sums<kBits>(matrix, b, input, sums);
    }
  }

  /// A ScaleSums.
  template <int kBits>
  static void scale_all_blocks(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                               const ActivationTile& input, const int32_t* sums, float* y) {
    for (int64_t n = row_begin; n < row_end; ++n) y[n - row_begin] = 0.0f;
    for (int64_t b = 0; b < matrix.cols / input.block; ++b) {
      scale_rows<kBits>(matrix, row_begin, row_end, b, input, sums + b * matrix.rows + row_begin,
                        y);
    }
  }

 private:
  /// One token's activations that meet a row of words.
  template <int kBits>
  struct Inputs {
    typename Vectors::Operand operands[8 / kBits];

    explicit HEARTH_INLINE Inputs(const int32_t* words) {
      for (int i = 0; i < 8 / kBits; ++i) operands[i] = Vectors::broadcast(words[i]);
    }
  };

  /// One row of words. kFirst: of the block.
  template <int kBits, bool kFirst>
  static HEARTH_INLINE void add_words_row(const uint32_t* words, int64_t rows,
                                          const Inputs<kBits>& x, int32_t* sums) {
    const auto add = [&](int64_t n, int64_t left) HEARTH_ALWAYS_INLINE {
      const Ints before = kFirst ? Ints{} : Vectors::load_ints(sums + n, left);
      const Ints after = Vectors::template add_words<kBits>(before, words + n, left, x.operands);
      Vectors::store_ints(sums + n, after, left);
    };
    int64_t n = 0;
    for (; n + kLine <= rows; n += kLine) {
      __builtin_prefetch(words + n + Vectors::kWordsAhead);
#pragma GCC unroll 4
      for (int64_t i = 0; i < kLine; i += kLanes) add(n + i, kLanes);
    }
    for (; n < rows; n += kLanes) add(n, rows - n);
  }

  template <int kBits>
  static void block_sums(const QuantizedMatrix& matrix, int64_t block, const ActivationTile& input,
                         int32_t* sums) {
    constexpr int64_t kRowInputs = 8 / kBits;  // words of activations that meet a row of words
    const int64_t word_rows = input.block * kBits / 32;
    const uint32_t* words =
        static_cast<const uint32_t*>(matrix.weights) + block * word_rows * matrix.rows;
    const int32_t* x = input.words + block * word_rows * kRowInputs;
    add_words_row<kBits, true>(words, matrix.rows, Inputs<kBits>(x), sums);
    for (int64_t r = 1; r < word_rows; ++r) {
      add_words_row<kBits, false>(words + r * matrix.rows, matrix.rows,
                                  Inputs<kBits>(x + r * kRowInputs), sums);
    }
  }

  /// y += scale of the weights · scale of the activations · (Σ code·a − z·Σa), for one block.
  template <int kBits>
  static void scale_rows(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                         int64_t block, const ActivationTile& input, const int32_t* sums,
                         float* y) {
    const int64_t group = block * input.block / matrix.group_size;
    const uint16_t* scales = matrix.scales + group * matrix.rows;
    for (int64_t n = row_begin; n < row_end; n += kLanes) {
      const int64_t left = row_end - n;
      const Ints start = Vectors::multiply(
          Vectors::template start_factor<kBits>(matrix, group, n, left), input.sums[block]);
      const Ints sum = Vectors::add(start, Vectors::load_ints(sums + n - row_begin, left));
      Vectors::add_scaled(y + n - row_begin, left,
                          Vectors::load_scales(scales + n, matrix.scale_type, left),
                          input.scales[block], sum);
    }
  }

  /// What the end of a block needs.
  template <int kBits>
  static void ask_for_scales(const QuantizedMatrix& matrix, int64_t group) {
    const auto prefetch = [](const void* first, int64_t bytes) {
      for (int64_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch(static_cast<const char*>(first) + i);
      }
    };
    prefetch(matrix.scales + group * matrix.rows, 2 * matrix.rows);
    if (!matrix.zeros) return;
    prefetch(matrix.zeros + group * (matrix.rows / (32 / kBits)), matrix.rows * kBits / 8);
  }
};

template <typename Vectors>
void use_streams(KernelSet& set) {
  using Stream = Int8Stream<Vectors>;
  set.block_sums_w4 = Stream::template sums_of_blocks<4>;
  set.block_sums_w8 = Stream::template sums_of_blocks<8>;
  set.scale_sums_w4 = Stream::template scale_all_blocks<4>;
  set.scale_sums_w8 = Stream::template scale_all_blocks<8>;
}

}  // namespace
}  // namespace hearth
