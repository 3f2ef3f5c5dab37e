// Packed weights times int8 activations, in place: how a product goes through panels of rows, for
// the instruction sets whose registers hold a tile of V vectors × M tokens for a block of inputs.
//
//              n … (a register of kLanes rows)          activations of the same 8 inputs
//   k 0..7   [ word | word | … | word ]                 [k 0,2,4,6] of token 0, 1, …
//   k 8..15  [ word | word | … | word ]                 [k 1,3,5,7] of token 0, 1, …
//
// w4: `& 0x0F` leaves k = 0,2,4,6 of each output row as the four bytes of its lane, `>> 4` k =
// 1,3,5,7. w8 words are four k as they are. The zero point, less what a set subtracts from the
// codes to make them signed, enters as the start value −z·Σa of the sums, which are exact. Float
// sums take one fma a block, in block order: the same bits for any number of tokens.
//
// A panel goes through all inputs block by block, its float sums in memory (the first-level cache):
// what memory sees are long pieces of a few word rows. A later block is asked for meanwhile.
//
// `Vectors` has the registers of a set:
//   kLanes, Float, Ints                  lanes of 32 bits
//   kPanelVectors, kTileTokens           rows of a panel, in vectors; most tokens of a tile
//   tile_vectors(M)                      V for M tokens
//   start_factor<bits>(matrix, group, n, left)   −z of `left` rows from n on
//   multiply(ints, int)                  by lane
//   add_block<bits, whole>(work, v, left, prefetcher, sums)   adds the products of a block for V
//                                        vectors from v on; `left` rows are left
//   load_scales(p, type, left)
//   add_scaled(totals, left, scales, scale, sums)   totals += scales · scale · sums
//   store(y, totals, left)               kLanes totals or fewer, to y
//
// Internal linkage throughout: every set compiles it with its own flags.
#pragma once

#include "kernels/inline.h"
#include "kernels/int8_stream.h"
#include "kernels/kernel_set.h"
#include "kernels/panel_prefetcher.h"

namespace hearth {
namespace {

/// Rows of one call.
struct Panel {
  const QuantizedMatrix* matrix;
  int64_t first_row;
  int64_t rows;
};

/// One block of inputs of a panel.
struct BlockWork {
  const QuantizedMatrix* matrix;
  const uint32_t* weights;  // [word_rows] rows of the matrix, from first_row on
  int64_t word_rows;
  int64_t group;
  int64_t first_row;     // of the panel
  int64_t panel_rows;    // likewise
  const int32_t* words;  // this block's part of ActivationTile's, from the first of M tokens on:
  const float* scales;   // [tokens]
  const int32_t* sums;   // [tokens]
  int64_t tokens;        // of the tile
  float* totals;         // [vectors of the panel][M][kLanes]
};

template <typename Vectors>
struct Int8Panels {
  using Float = typename Vectors::Float;
  using Ints = typename Vectors::Ints;
  static constexpr int64_t kLanes = Vectors::kLanes;
  using Prefetcher = PanelPrefetcher<kLanes, 2>;
  /// Blocks between the one that a tile computes and the one that it prefetches.
  static constexpr int64_t kBlocksAhead = 2;

  /// Vectors [v, v + V) of the panel; kWhole unless they are its last.
  template <int kBits, bool kWhole, int M, int V>
  static HEARTH_INLINE void block_vectors(const BlockWork& work, int64_t v,
                                          Prefetcher& prefetcher) {
    const QuantizedMatrix& matrix = *work.matrix;
    const int64_t n = work.first_row + v * kLanes;
    const int64_t left = work.panel_rows - v * kLanes;
    Ints sums[V][M];
#pragma GCC unroll 8
    for (int i = 0; i < V; ++i) {
      const Ints factor = Vectors::template start_factor<kBits>(matrix, work.group, n + i * kLanes,
                                                                left - i * kLanes);
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) sums[i][t] = Vectors::multiply(factor, work.sums[t]);
    }
    Vectors::template add_block<kBits, kWhole>(work, v, left, prefetcher, sums);
#pragma GCC unroll 8
    for (int i = 0; i < V; ++i) {
      const Float scales =
          Vectors::load_scales(matrix.scales + work.group * matrix.rows + n + i * kLanes,
                               matrix.scale_type, left - i * kLanes);
      float* totals = work.totals + (v + i) * M * kLanes;
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t, totals += kLanes) {
        Vectors::add_scaled(totals, kLanes, scales, work.scales[t], sums[i][t]);
      }
    }
  }

  template <int kBits, int M>
  static void block_panel(const BlockWork& work, const uint32_t* ahead) {
    constexpr int V = Vectors::tile_vectors(M);
    const int64_t vectors = (work.panel_rows + kLanes - 1) / kLanes;
    Prefetcher prefetcher{ahead, 0, vectors, work.matrix->rows};
    int64_t v = 0;
    for (; (v + V) * kLanes <= work.panel_rows; v += V) {
      block_vectors<kBits, true, M, V>(work, v, prefetcher);
    }
    for (; v < vectors; ++v) block_vectors<kBits, false, M, 1>(work, v, prefetcher);
  }

  /// All inputs of a panel, for M tokens from `token` on.
  template <int kBits, int M>
  static void tile_product(const Panel& panel, const ActivationTile& input, int token, float* y,
                           int64_t y_stride) {
    alignas(64) float totals[Vectors::kPanelVectors * M * kLanes];
    const QuantizedMatrix& matrix = *panel.matrix;
    const int64_t vectors = (panel.rows + kLanes - 1) / kLanes;
    for (int64_t i = 0; i < vectors * M * kLanes; ++i) totals[i] = 0.0f;
    const int64_t blocks = matrix.cols / input.block;
    const int64_t word_rows = input.block * kBits / 32;
    const int64_t block_words = word_rows * matrix.rows;
    const uint32_t* weights = static_cast<const uint32_t*>(matrix.weights) + panel.first_row;
    for (int64_t b = 0; b < blocks; ++b) {
      const BlockWork work{&matrix,
                           weights + b * block_words,
                           word_rows,
                           b * input.block / matrix.group_size,
                           panel.first_row,
                           panel.rows,
                           input.words + b * (input.block / 4) * input.tokens + token,
                           input.scales + b * input.tokens + token,
                           input.sums + b * input.tokens + token,
                           input.tokens,
                           totals};
      // At the end, what is in the cache already: no traffic.
      const uint32_t* ahead =
          b + kBlocksAhead < blocks ? work.weights + kBlocksAhead * block_words : work.weights;
      block_panel<kBits, M>(work, ahead);
    }
    for (int64_t v = 0; v < vectors; ++v) {
      for (int t = 0; t < M; ++t) {
        Vectors::store(y + t * y_stride + v * kLanes, totals + (v * M + t) * kLanes,
                       panel.rows - v * kLanes);
      }
    }
  }

  /// `count` tokens from `token` on, at most M.
  template <int kBits, int M = Vectors::kTileTokens>
  static void tile_tokens(const Panel& panel, const ActivationTile& input, int token, int count,
                          float* y, int64_t y_stride) {
    if (count == M) {
      tile_product<kBits, M>(panel, input, token, y, y_stride);
    } else if constexpr (M > 1) {
      tile_tokens<kBits, M - 1>(panel, input, token, count, y, y_stride);
    }
  }

  /// A MatmulInt8.
  template <int kBits>
  static void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                      const ActivationTile& input, const ProductOutput& output) {
    if (Int8Stream<Vectors>::template whole<kBits>(matrix, row_begin, row_end, input,
                                                   output.values)) {
      return;
    }
    constexpr int64_t kPanelRows = Vectors::kPanelVectors * kLanes;
    const int tiles = (input.tokens + Vectors::kTileTokens - 1) / Vectors::kTileTokens;
    for (int64_t n = row_begin; n < row_end; n += kPanelRows) {
      const int64_t rows = row_end - n < kPanelRows ? row_end - n : kPanelRows;
      const Panel panel{&matrix, n, rows};
      for (int i = 0; i < tiles; ++i) {  // of even size
        const int token = input.tokens * i / tiles;
        const int count = input.tokens * (i + 1) / tiles - token;
        tile_tokens<kBits>(panel, input, token, count,
                           output.values + token * output.stride + n - row_begin, output.stride);
      }
    }
  }
};

}  // namespace
}  // namespace hearth
