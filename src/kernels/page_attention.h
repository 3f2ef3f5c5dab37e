// Online softmax over one page of keys and values, for every instruction set with vectors.
//
//   keys      [head_dim/P][64 tokens][P]    lanes are tokens: scores need no sum over lanes
//   values    [64/P tokens][head_dim][P]    lanes are dimensions
//   q         [row][head_dim]               P of them, broadcast, meet a register of keys
//   weights   [row][64]                     likewise with values
//
// A lane of 32 bits holds a word: P elements that lie next to each other, 1 float or 2 bf16. What a
// dot product adds up in a lane lies along them. A tile of kRows rows × kColumns registers stays in
// registers for all of head_dim (scores) or for all tokens (outputs). Every lane adds up its own
// products in the order of head_dim or of tokens, so that a row has the same bits in a tile of any
// size.
//
// `Pages` is one kind of pages (kernels/attention_pages.h) on the registers of a set:
//   Element, kPacked, Words              an element, P, a register of words
//   load(elements, left)                 words of `left` lanes, which may be more than there are
//   broadcast(elements)                  one word in all lanes
//   dot(sum, a, b)                       sum += Σ a[i]·b[i] over the elements of a word, by lane
//   round(v, elements)                   stores kLanes elements and returns them as floats
//   kLanes, kRows, kColumns, Float       lanes; the tile; a register of floats
//   load_floats, store_floats (…, left)  as with words
//   zero, all, multiply, add, larger     arithmetic
//   keep_first(v, left, other)           v in the first `left` lanes, other in the rest
//   exponential, largest_lane, sum_lanes
//
// Internal linkage throughout: every set compiles it with its own flags.
#pragma once

#include "kernels/inline.h"
#include "kernels/kernel_set.h"

namespace hearth {
namespace {

template <typename Pages>
struct PageAttention {
  using Float = typename Pages::Float;
  using Words = typename Pages::Words;
  using Element = typename Pages::Element;
  static constexpr int kPacked = Pages::kPacked;
  static constexpr int kLanes = Pages::kLanes;
  static constexpr int kRows = Pages::kRows;
  static constexpr int kColumns = Pages::kColumns;
  static constexpr int kTile = kLanes * kColumns;

  /// What R rows of a call turn their page into on the way.
  template <int R>
  struct Work {
    alignas(64) float scores[R][kKvPageTokens];
    alignas(64) Element weights[R][kKvPageTokens];
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
  static HEARTH_INLINE void score_tile(const AttentionBlock& block, const Element* q, int64_t first,
                                       Work<R>& work) {
    Float sums[R][kColumns];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) sums[r][c] = Pages::zero();
    }
    const Element* keys = static_cast<const Element*>(block.keys) + kPacked * first;
    for (int64_t d = 0; d < block.head_dim; d += kPacked, keys += kPacked * kKvPageTokens) {
      if (kFetch) fetch(block.values, (first / kTile * block.head_dim + d) / kPacked);
      Words words[kColumns];
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) {
        words[c] = Pages::load(keys + kPacked * c * kLanes, kLanes);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Words word = Pages::broadcast(q + r * block.head_dim + d);
#pragma GCC unroll 8
        for (int c = 0; c < kColumns; ++c) Pages::dot(sums[r][c], words[c], word);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) {
        Pages::store_floats(work.scores[r] + first + c * kLanes, sums[r][c], kLanes);
      }
    }
  }

  /// Turns a row's scores into weights and carries its maximum and sum on. Returns by how much that
  /// scales what was summed up before.
  static HEARTH_INLINE float weigh(const AttentionBlock& block, int64_t row, const float* scores,
                                   Element* weights) {
    constexpr int kVectors = kKvPageTokens / kLanes;
    const int64_t visible = block.visible + row / block.heads;
    const Float none = Pages::all(-__builtin_inff());
    Float score[kVectors];
    Float maximum = Pages::all(block.maxima[row]);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      score[v] = Pages::load_floats(scores + v * kLanes, kLanes);
      if (block.key_scales) {
        score[v] =
            Pages::multiply(score[v], Pages::load_floats(block.key_scales + v * kLanes, kLanes));
      }
      score[v] = Pages::keep_first(score[v], visible - v * kLanes, none);
      maximum = Pages::larger(maximum, score[v]);
    }
    const float largest = Pages::largest_lane(maximum);
    const Float shift = Pages::all(-largest);
    Float sum = Pages::zero();
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const Float exact = Pages::exponential(Pages::add(score[v], shift));
      Float weight = Pages::round(exact, weights + v * kLanes);
      sum = Pages::add(sum, weight);
      if (block.value_scales) {
        weight =
            Pages::multiply(weight, Pages::load_floats(block.value_scales + v * kLanes, kLanes));
        Pages::round(weight, weights + v * kLanes);
      }
    }
    const float rescale =
        Pages::largest_lane(Pages::exponential(Pages::add(Pages::all(block.maxima[row]), shift)));
    block.maxima[row] = largest;
    block.sums[row] = block.sums[row] * rescale + Pages::sum_lanes(sum);
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
            Pages::load_floats(output + r * block.head_dim + c * kLanes, left - c * kLanes);
        sums[r][c] = Pages::multiply(before, Pages::all(work.rescale[r]));
      }
    }
    const Element* values = static_cast<const Element*>(block.values) + kPacked * d;
    for (int64_t t = 0; t < kKvPageTokens; t += kPacked, values += kPacked * block.head_dim) {
      if (kFetch) fetch(block.next_keys, (d / kTile * kKvPageTokens + t) / kPacked);
      Words words[C];
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        words[c] = Pages::load(values + kPacked * c * kLanes, C > 1 ? kLanes : left);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Words word = Pages::broadcast(work.weights[r] + t);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) Pages::dot(sums[r][c], words[c], word);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        Pages::store_floats(output + r * block.head_dim + c * kLanes, sums[r][c],
                            left - c * kLanes);
      }
    }
  }

  /// R rows from `row` on. The first rows of a call bring the page in: memory is slower than they
  /// are, and a processor does not look ahead far enough.
  template <int R, bool kFetch>
  static void attend_rows(const AttentionBlock& block, int64_t row) {
    Work<R> work;
    const Element* q = static_cast<const Element*>(block.q) + row * block.head_dim;
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
