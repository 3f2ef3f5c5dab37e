// Online softmax over one page of bf16 keys and values, for every instruction set with vectors.
//
//   keys      [head_dim/2][64 tokens][2]    lanes are tokens: scores need no sum over lanes
//   values    [64/2 tokens][head_dim][2]    lanes are dimensions
//   q         [row][head_dim]               a pair of them, broadcast, meets a register of keys
//   weights   [row][64]                     likewise with values
//
// A lane holds two bf16 that lie next to each other, and what the dot product adds up lies along
// them. A tile of kRows rows × kColumns registers stays in registers for all of head_dim (scores)
// or for all tokens (outputs). Every lane adds up its own products in the order of head_dim or of
// tokens, so that a row has the same bits in a tile of any size.
//
// `Vectors` has the registers of a set:
//   kLanes, kRows, kColumns              lanes of 32 bits; the tile
//   Float, Words, Pair                   floats; pairs of bf16, by lane; one pair in all lanes
//   load, load_part, broadcast           to Words from kLanes or fewer pairs, to Pair from one
//   dot(sum, words, pair)                sum += words[0]·pair[0] + words[1]·pair[1], by lane
//   load_floats, store_floats (…, left)  for `left` lanes, which may be more than there are
//   zero, all, multiply, add, larger     arithmetic
//   keep_first(v, left, other)           v in the first `left` lanes, other in the rest
//   exponential, largest_lane, sum_lanes
//   round_to_bf16(v, target)             stores kLanes bf16 and returns them as floats
//
// Internal linkage throughout: every set compiles it with its own flags.
#pragma once

#include "kernels/kernel_set.h"

// Arrays of registers stay in registers only where their functions are expanded.
#ifndef HEARTH_INLINE
#define HEARTH_INLINE inline __attribute__((always_inline))
#endif

namespace hearth {
namespace {

template <typename Vectors>
struct PageAttention {
  using Float = typename Vectors::Float;
  static constexpr int kLanes = Vectors::kLanes;
  static constexpr int kRows = Vectors::kRows;
  static constexpr int kColumns = Vectors::kColumns;
  static constexpr int kTile = kLanes * kColumns;

  /// What R rows of a call turn their page into on the way.
  template <int R>
  struct Work {
    alignas(64) float scores[R][kKvPageTokens];
    alignas(64) uint16_t weights[R][kKvPageTokens];
    float rescale[R];
  };

  /// Asks for the cache lines of a page's part that step `step` of a tile's loop is to bring in:
  /// all tiles of a row together go through as many bytes as the part has.
  static HEARTH_INLINE void fetch(const void* part, int64_t step) {
    constexpr int kLine = 64;
    constexpr int kLines = kTile * 4 / kLine;
#pragma GCC unroll 8
    for (int i = 0; i < kLines; ++i) {
      __builtin_prefetch(static_cast<const char*>(part) + (step * kLines + i) * kLine, 0, 2);
    }
  }

  /// Scores of R rows for the tokens [first, first + kTile).
  template <int R, bool kFetch>
  static HEARTH_INLINE void score_tile(const AttentionBlock& block, const uint16_t* q,
                                       int64_t first, Work<R>& work) {
    Float sums[R][kColumns];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) sums[r][c] = Vectors::zero();
    }
    const uint16_t* keys = static_cast<const uint16_t*>(block.keys) + 2 * first;
    for (int64_t d = 0; d < block.head_dim; d += 2, keys += 2 * kKvPageTokens) {
      if (kFetch) fetch(block.values, (first / kTile * block.head_dim + d) / 2);
      typename Vectors::Words words[kColumns];
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) words[c] = Vectors::load(keys + 2 * c * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const typename Vectors::Pair pair = Vectors::broadcast(q + r * block.head_dim + d);
#pragma GCC unroll 8
        for (int c = 0; c < kColumns; ++c) Vectors::dot(sums[r][c], words[c], pair);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) {
        Vectors::store_floats(work.scores[r] + first + c * kLanes, sums[r][c], kLanes);
      }
    }
  }

  /// Turns a row's scores into weights and carries its maximum and sum on. Returns by how much that
  /// scales what was summed up before.
  static HEARTH_INLINE float weigh(const AttentionBlock& block, int64_t row, const float* scores,
                                   uint16_t* weights) {
    constexpr int kVectors = kKvPageTokens / kLanes;
    const int64_t visible = block.visible + row / block.heads;
    const Float none = Vectors::all(-__builtin_inff());
    Float score[kVectors];
    Float maximum = Vectors::all(block.maxima[row]);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      score[v] = Vectors::load_floats(scores + v * kLanes, kLanes);
      if (block.key_scales) {
        score[v] = Vectors::multiply(score[v],
                                     Vectors::load_floats(block.key_scales + v * kLanes, kLanes));
      }
      score[v] = Vectors::keep_first(score[v], visible - v * kLanes, none);
      maximum = Vectors::larger(maximum, score[v]);
    }
    const float largest = Vectors::largest_lane(maximum);
    const Float shift = Vectors::all(-largest);
    Float sum = Vectors::zero();
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const Float exact = Vectors::exponential(Vectors::add(score[v], shift));
      Float weight = Vectors::round_to_bf16(exact, weights + v * kLanes);
      sum = Vectors::add(sum, weight);
      if (block.value_scales) {
        weight = Vectors::multiply(weight,
                                   Vectors::load_floats(block.value_scales + v * kLanes, kLanes));
        Vectors::round_to_bf16(weight, weights + v * kLanes);
      }
    }
    const float rescale = Vectors::largest_lane(
        Vectors::exponential(Vectors::add(Vectors::all(block.maxima[row]), shift)));
    block.maxima[row] = largest;
    block.sums[row] = block.sums[row] * rescale + Vectors::sum_lanes(sum);
    return rescale;
  }

  /// output ← rescale·output + Σ weight·value of R rows, for the dimensions of C registers from d
  /// on, of which `left` are there.
  template <int R, int C, bool kFetch>
  static HEARTH_INLINE void mix_tile(const AttentionBlock& block, int64_t row, int64_t d,
                                     int64_t left, const Work<R>& work) {
    float* output = block.output + row * block.head_dim + d;
    Float sums[R][C];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        const Float before =
            Vectors::load_floats(output + r * block.head_dim + c * kLanes, left - c * kLanes);
        sums[r][c] = Vectors::multiply(before, Vectors::all(work.rescale[r]));
      }
    }
    const uint16_t* values = static_cast<const uint16_t*>(block.values) + 2 * d;
    for (int64_t t = 0; t < kKvPageTokens; t += 2, values += 2 * block.head_dim) {
      if (kFetch) fetch(block.next_keys, (d / kTile * kKvPageTokens + t) / 2);
      typename Vectors::Words words[C];
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        words[c] =
            C > 1 ? Vectors::load(values + 2 * c * kLanes) : Vectors::load_part(values, left);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const typename Vectors::Pair pair = Vectors::broadcast(work.weights[r] + t);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) Vectors::dot(sums[r][c], words[c], pair);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        Vectors::store_floats(output + r * block.head_dim + c * kLanes, sums[r][c],
                              left - c * kLanes);
      }
    }
  }

  /// R rows from `row` on. The first rows of a call bring the page in: memory is slower than they
  /// are, and a processor does not look ahead far enough.
  template <int R, bool kFetch>
  static void attend_rows(const AttentionBlock& block, int64_t row) {
    Work<R> work;
    const uint16_t* q = static_cast<const uint16_t*>(block.q) + row * block.head_dim;
    for (int64_t t = 0; t < kKvPageTokens; t += kTile) score_tile<R, kFetch>(block, q, t, work);
    for (int r = 0; r < R; ++r) {
      work.rescale[r] = weigh(block, row + r, work.scores[r], work.weights[r]);
    }
    int64_t d = 0;
    for (; kFetch && block.next_keys && d + kTile <= block.head_dim; d += kTile) {
      mix_tile<R, kColumns, true>(block, row, d, kTile, work);
    }
    for (; d + kTile <= block.head_dim; d += kTile) {
      mix_tile<R, kColumns, false>(block, row, d, kTile, work);
    }
    for (; d < block.head_dim; d += kLanes) {
      mix_tile<R, 1, false>(block, row, d, block.head_dim - d, work);
    }
  }

  void operator()(const AttentionBlock& block) const {
    const int64_t rows = block.queries * block.heads;
    int64_t row = 0;
    if (rows >= kRows) {
      attend_rows<kRows, true>(block, row);
      row = kRows;
    }
    for (; row + kRows <= rows; row += kRows) attend_rows<kRows, false>(block, row);
    for (; row + 2 <= rows; row += 2) attend_rows<2, false>(block, row);
    if (row < rows) attend_rows<1, false>(block, row);
  }
};

}  // namespace
}  // namespace hearth
