// Products with float activations, for the instruction sets whose registers hold four tokens.
//
// Packed weights: a vector holds kLanes output rows; each k of a word becomes (code − zero) as a
// float and meets the activation of every token; a group's sum is scaled once.
//
//              n … n+kLanes−1          k of a word, one after the other:
//   k 0..7   [ word | word | … ]      [ code − zero | … ] · x[k], x[k] of each token a scalar
//
// Plain weights, row-major: a vector holds kLanes consecutive inputs of one row; a tile of R rows ×
// M tokens keeps one vector of sums each, added up across lanes at the end.
//
//   row n     [ k 0..kLanes−1 | … ]    each lane the sum of every kLanes-th product
//   row n+1   [ k 0..kLanes−1 | … ]
//
// The order of additions is the same in every shape of tile.
//
// `Vectors` has the registers of a set. What takes `left` is for so many lanes, which may be more
// than there are:
//   kLanes, Float, Words, Ints           lanes of 32 bits
//   packed_vectors(M), plain_rows(M)     the tiles for M tokens: vectors of packed rows, and R
//   kAsksForRows                         whether plain rows are asked for before their turn
//   zero, load, store (…, left)          floats
//   multiply_add(sum, v, w)              sum + v·w; w is a register, or points to a scalar
//   load_words(p, left), load_scales(p, type, left), load_zeros(matrix, bits, group, n, left)
//   take_code<bits>(words, zeros)        the lowest code of each word less its zero, as floats;
//                                        words moves on to the next
//   sum_lanes(v)
//
// Internal linkage throughout: every set compiles it with its own flags.
#pragma once

#include "kernels/inline.h"
#include "kernels/kernel_set.h"

namespace hearth {
namespace {

template <typename Vectors>
struct FloatProducts {
  using Float = typename Vectors::Float;
  using Ints = typename Vectors::Ints;
  using Words = typename Vectors::Words;
  static constexpr int64_t kLanes = Vectors::kLanes;
  static constexpr int kMostTokens = 4;

  using Product = void (*)(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                           const float* const* x, float* y, int64_t stride);

  /// Adds a group's products of V vectors of rows; k0 is its first input.
  template <int kBits, bool kWhole, int M, int V>
  static HEARTH_INLINE void add_group(const QuantizedMatrix& matrix, const uint32_t* words,
                                      int64_t k0, int64_t left, const Ints (&zeros)[V],
                                      const float* const* x, Float (&parts)[V][M]) {
    constexpr int64_t kPerWord = 32 / kBits;
    for (int64_t k = k0; k < k0 + matrix.group_size; k += kPerWord, words += matrix.rows) {
      Words word[V];
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) {
        word[i] = Vectors::load_words(words + i * kLanes, kWhole ? kLanes : left);
      }
      for (int64_t j = 0; j < kPerWord; ++j) {
#pragma GCC unroll 4
        for (int i = 0; i < V; ++i) {
          const Float weight = Vectors::template take_code<kBits>(word[i], zeros[i]);
#pragma GCC unroll 4
          for (int t = 0; t < M; ++t) {
            parts[i][t] = Vectors::multiply_add(parts[i][t], weight, x[t] + k + j);
          }
        }
      }
    }
  }

  /// V vectors of rows from n on; `left` rows are left where they are not whole, V is 1 then.
  template <int kBits, bool kWhole, int M, int V>
  static void packed_rows(const QuantizedMatrix& matrix, int64_t n, int64_t left,
                          const float* const* x, float* y, int64_t stride) {
    const uint32_t* words = static_cast<const uint32_t*>(matrix.weights) + n;
    const int64_t group_words = matrix.group_size * kBits / 32 * matrix.rows;
    Float sums[V][M];
    for (int i = 0; i < V; ++i) {
      for (int t = 0; t < M; ++t) sums[i][t] = Vectors::zero();
    }
    for (int64_t group = 0; group < matrix.cols / matrix.group_size; ++group) {
      Ints zeros[V];
      Float parts[V][M];
      for (int i = 0; i < V; ++i) {
        zeros[i] = Vectors::load_zeros(matrix, kBits, group, n + i * kLanes, left);
        for (int t = 0; t < M; ++t) parts[i][t] = Vectors::zero();
      }
      add_group<kBits, kWhole>(matrix, words + group * group_words, group * matrix.group_size, left,
                               zeros, x, parts);
      for (int i = 0; i < V; ++i) {
        const Float scales = Vectors::load_scales(
            matrix.scales + group * matrix.rows + n + i * kLanes, matrix.scale_type, left);
        for (int t = 0; t < M; ++t) {
          sums[i][t] = Vectors::multiply_add(sums[i][t], scales, parts[i][t]);
        }
      }
    }
    for (int i = 0; i < V; ++i) {
      for (int t = 0; t < M; ++t) Vectors::store(y + t * stride + i * kLanes, sums[i][t], left);
    }
  }

  template <int kBits, int M>
  static void packed_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                            const float* const* x, float* y, int64_t stride) {
    constexpr int V = Vectors::packed_vectors(M);
    int64_t n = row_begin;
    for (; n + V * kLanes <= row_end; n += V * kLanes) {
      packed_rows<kBits, true, M, V>(matrix, n, kLanes, x, y + n - row_begin, stride);
    }
    for (; n < row_end; n += kLanes) {
      const int64_t left = row_end - n < kLanes ? row_end - n : kLanes;
      packed_rows<kBits, false, M, 1>(matrix, n, left, x, y + n - row_begin, stride);
    }
  }

  /// Adds the products of inputs [k, k + left), at most kLanes.
  template <typename Element, Float kLoad(const Element*, int64_t), int R, int M>
  static HEARTH_INLINE void add_inputs(const Element* rows, int64_t cols, int64_t k, int64_t left,
                                       const float* const* x, Float (&sums)[R][M]) {
    if constexpr (M == 1) {  // each weight is used once: eight of them need no registers
      const Float input = Vectors::load(x[0] + k, left);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        sums[r][0] = Vectors::multiply_add(sums[r][0], kLoad(rows + r * cols + k, left), input);
      }
    } else {
      Float w[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) w[r] = kLoad(rows + r * cols + k, left);
#pragma GCC unroll 4
      for (int t = 0; t < M; ++t) {
        const Float input = Vectors::load(x[t] + k, left);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          sums[r][t] = Vectors::multiply_add(sums[r][t], w[r], input);
        }
      }
    }
  }

  /// Rows [n, n + R). Meanwhile as many rows `ahead` further on are asked for, front to back, as
  /// memory and its prefetchers like best.
  template <typename Element, Float kLoad(const Element*, int64_t), int M, int R>
  static void plain_rows(const QuantizedMatrix& matrix, int64_t n, int64_t ahead,
                         const float* const* x, float* y, int64_t stride) {
    constexpr int64_t kLine = 64 / sizeof(Element);
    const auto* rows = static_cast<const Element*>(matrix.weights) + n * matrix.cols;
    Float sums[R][M];
    for (int r = 0; r < R; ++r) {
      for (int t = 0; t < M; ++t) sums[r][t] = Vectors::zero();
    }
    const auto* later = rows + ahead * matrix.cols;
    int64_t k = 0;
    for (; Vectors::kAsksForRows && k + kLine <= matrix.cols; k += kLine) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) __builtin_prefetch(later + R * k + r * kLine);
#pragma GCC unroll 4
      for (int64_t i = 0; i < kLine; i += kLanes) {
        add_inputs<Element, kLoad>(rows, matrix.cols, k + i, kLanes, x, sums);
      }
    }
    for (; k + kLanes <= matrix.cols; k += kLanes) {
      add_inputs<Element, kLoad>(rows, matrix.cols, k, kLanes, x, sums);
    }
    if (k < matrix.cols) {
      add_inputs<Element, kLoad>(rows, matrix.cols, k, matrix.cols - k, x, sums);
    }
    for (int r = 0; r < R; ++r) {
      for (int t = 0; t < M; ++t) y[t * stride + r] = Vectors::sum_lanes(sums[r][t]);
    }
  }

  template <typename Element, Float kLoad(const Element*, int64_t), int M>
  static void plain_tokens(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                           const float* const* x, float* y, int64_t stride) {
    constexpr int R = Vectors::plain_rows(M);
    int64_t n = row_begin;
    for (; n + R <= row_end; n += R) {
      const int64_t ahead = n + 2 * R <= row_end ? R : 0;
      plain_rows<Element, kLoad, M, R>(matrix, n, ahead, x, y + n - row_begin, stride);
    }
    for (; n < row_end; ++n) {
      plain_rows<Element, kLoad, M, 1>(matrix, n, 0, x, y + n - row_begin, stride);
    }
  }

  static void multiply(const Product (&products)[kMostTokens], const QuantizedMatrix& matrix,
                       int64_t row_begin, int64_t row_end, const FloatTile& input,
                       const ProductOutput& output) {
    for (int t = 0; t < input.tokens; t += kMostTokens) {
      const int count = input.tokens - t < kMostTokens ? input.tokens - t : kMostTokens;
      products[count - 1](matrix, row_begin, row_end, input.rows + t,
                          output.values + t * output.stride, output.stride);
    }
  }

  /// A MatmulFloat for packed weights of kBits.
  template <int kBits>
  static void packed(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output) {
    static constexpr Product kProducts[kMostTokens] = {
        packed_tokens<kBits, 1>, packed_tokens<kBits, 2>, packed_tokens<kBits, 3>,
        packed_tokens<kBits, 4>};
    multiply(kProducts, matrix, row_begin, row_end, input, output);
  }

  /// A MatmulFloat for rows of elements that kLoad makes floats of.
  template <typename Element, Float kLoad(const Element*, int64_t)>
  static void plain(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const FloatTile& input, const ProductOutput& output) {
    static constexpr Product kProducts[kMostTokens] = {
        plain_tokens<Element, kLoad, 1>, plain_tokens<Element, kLoad, 2>,
        plain_tokens<Element, kLoad, 3>, plain_tokens<Element, kLoad, 4>};
    multiply(kProducts, matrix, row_begin, row_end, input, output);
  }
};

}  // namespace
}  // namespace hearth
