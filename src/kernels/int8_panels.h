// Packed weights times int8 activations, in place: how a product goes through panels of rows, for
// the instruction sets whose registers hold a tile of V vectors × M tokens for a block of inputs.
//
//              n … (a register of kLanes rows)          activations of the same 8 inputs
//   k 0..7   [ word | word | … | word ]                 [k 0,2,4,6] of token 0, 1, …
//   k 8..15  [ word | word | … | word ]                 [k 1,3,5,7] of token 0, 1, …
//
// w4: `& 0x0F` leaves k = 0,2,4,6 of each output row as the four bytes of its lane, `>> 4` k =
// 1,3,5,7. w8 words are four k as they are.
//
// A panel goes through all inputs block by block, its float sums in memory (the second-level
// cache): what memory sees are long pieces of a few word rows, once for all tokens. Meanwhile the
// next block is asked for, at the end of a panel the first one of what comes next.
//
// Tokens that do not fit the registers go through them in several tiles, a slice of the panel at a
// time: the first tile leaves its codes, unpacked and close together, to the others. In the matrix
// the words of a slice lie 2 to 48 KiB apart, where a cache keeps few of them at once, and across
// its lines, for a checkpoint's tensors begin anywhere.
//
// Where several calls meet the same rows, the first one leaves a copy of their words to the others.
//
// The zero point, less what a set subtracts from the codes to make them signed, enters as the start
// value −z·Σa of the sums, which are exact. Float sums take one fma a block, in block order: the
// same bits for any number of tokens.
//
// `Vectors` has the registers of a set; of kLanes or fewer rows, the first `left` are there:
//   kLanes, Float, Ints                  lanes of 32 bits
//   panel_vectors(bits)                  rows of a panel, in vectors
//   tile_tokens(bits), tile_vectors(M)   the most M, and V
//   load_words(p, left)
//   Codes, code_parts(bits)              what products are formed of, and how many of them there
//   codes<bits, part>(words)             are of a vector of words
//   add_rows<bits>(codes, inputs, tokens, rows, sums)   sums[i][t] += the products of `rows` rows
//                                        of words: codes.part<p>(v) gives those of a row, in turn
//   start_factor<bits>(matrix, group, n, left)   −z of the rows from n on
//   multiply(ints, int)                  by lane
//   load_scales(p, type, left), load_floats(p, left), store_floats(p, floats, left)
//   scaled_sum(y, scales, scale, sums)   y + scales · scale · sums
//
// Internal linkage throughout: every set compiles it with its own flags.
#pragma once

#include "kernels/inline.h"
#include "kernels/int8_stream.h"
#include "kernels/kernel_set.h"
#include "kernels/panel_prefetcher.h"

namespace hearth {
namespace {

template <typename Vectors>
struct Int8Panels {
  using Float = typename Vectors::Float;
  using Ints = typename Vectors::Ints;
  using Prefetcher = PanelPrefetcher<Vectors::kLanes, 2>;
  using Codes = typename Vectors::Codes;
  static constexpr int64_t kLanes = Vectors::kLanes;
  /// Rows of a slice, and most vectors of its codes.
  static constexpr int64_t kSliceRows = 64;
  static constexpr int64_t slice_codes(int bits) {
    return kMaxActivationBlock * bits / 32 * (kSliceRows / kLanes) * Vectors::code_parts(bits);
  }

  /// Some rows of a matrix.
  struct Panel {
    const QuantizedMatrix* matrix = nullptr;
    int64_t row = 0;
    int64_t rows = 0;

    const uint32_t* words(int64_t word_row) const {
      return static_cast<const uint32_t*>(matrix->weights) + word_row * matrix->rows + row;
    }
  };

  /// One block of inputs of a panel, and the panel's float sums.
  struct Block {
    Panel panel;
    const uint32_t* words = nullptr;
    int64_t stride = 0;  // words from one row of words to the next
    int64_t word_rows = 0;
    int64_t group = 0;
    const int32_t* inputs = nullptr;  // [block/4][tokens]
    const float* scales = nullptr;    // [tokens]
    const int32_t* sums = nullptr;    // [tokens]
    int64_t tokens = 0;
    const float* before = nullptr;  // [vectors][tokens][kLanes], of the blocks so far; null: zeros
    // With this one: (vector v, token t) to the kLanes from after[v · vector_stride + t ·
    // token_stride] on.
    float* after = nullptr;
    int64_t vector_stride = 0;
    int64_t token_stride = 0;
  };

  /// The start values −z·Σa of the sums of vectors [v, v + V).
  template <int kBits, bool kWhole, int M, int V>
  static HEARTH_INLINE void start_sums(const Block& block, int64_t v, int64_t token,
                                       Ints (&sums)[V][M]) {
    const int32_t* of_inputs = block.sums + token;
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) {
      const int64_t n = (v + i) * kLanes;
      const Ints factor = Vectors::template start_factor<kBits>(
          *block.panel.matrix, block.group, block.panel.row + n,
          kWhole ? kLanes : block.panel.rows - n);
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) sums[i][t] = Vectors::multiply(factor, of_inputs[t]);
    }
  }

  /// Scaled and added to what the blocks before this one came to.
  template <bool kWhole, bool kFirst, int M, int V>
  static HEARTH_INLINE void scale_sums(const Block& block, int64_t v, int64_t token,
                                       const Ints (&sums)[V][M]) {
    const QuantizedMatrix& matrix = *block.panel.matrix;
    const float* token_scales = block.scales + token;
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) {
      const int64_t n = (v + i) * kLanes;
      const int64_t left = kWhole ? kLanes : block.panel.rows - n;
      const Float scales = Vectors::load_scales(
          matrix.scales + block.group * matrix.rows + block.panel.row + n, matrix.scale_type, left);
      const float* before = kFirst ? nullptr : block.before + (n * block.tokens + token * kLanes);
      float* after = block.after + (v + i) * block.vector_stride + token * block.token_stride;
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t, after += block.token_stride) {
        const Float y = kFirst ? Float{} : Vectors::load_floats(before + t * kLanes, kLanes);
        Vectors::store_floats(after, Vectors::scaled_sum(y, scales, token_scales[t], sums[i][t]),
                              left);
      }
    }
  }

  /// Codes of V vectors, a row of words at a time, from the words; `kept` goes on behind those that
  /// are left there.
  template <int kBits, bool kAsk, bool kKeep, bool kWhole, int V>
  struct WordCodes {
    const uint32_t* row = nullptr;
    int64_t stride = 0;
    int64_t left = 0;  // rows to the end of the panel, which matter unless kWhole
    Prefetcher& prefetcher;
    Codes* kept = nullptr;
    Ints words[V] = {};

    template <int kPart>
    HEARTH_INLINE void part(Codes (&codes)[V]) {
      if constexpr (kPart == 0) load_row();
#pragma GCC unroll 8
      for (int i = 0; i < V; ++i) {
        codes[i] = Vectors::template codes<kBits, kPart>(words[i]);
        if constexpr (kKeep) *kept++ = codes[i];
      }
    }

   private:
    HEARTH_INLINE void load_row() {
      if constexpr (kAsk) prefetcher.template step<V>();
#pragma GCC unroll 8
      for (int i = 0; i < V; ++i) {
        words[i] = Vectors::load_words(row + i * kLanes, kWhole ? kLanes : left - i * kLanes);
      }
      row += stride;
    }
  };

  /// Codes that were kept.
  template <int V>
  struct KeptCodes {
    Codes* kept = nullptr;

    template <int kPart>
    HEARTH_INLINE void part(Codes (&codes)[V]) {
#pragma GCC unroll 8
      for (int i = 0; i < V; ++i) codes[i] = *kept++;
    }
  };

  /// What a tile does with the codes of a slice.
  enum class Keep { kNothing, kLeave, kTake };

  /// A part of a panel: vectors [begin, end), and room for its codes.
  struct Slice {
    int64_t begin = 0;
    int64_t end = 0;
    Codes* kept = nullptr;
  };

  /// Vectors [v, v + V) for M tokens; kWhole unless the panel ends within them. Returns where the
  /// codes of the next ones are kept.
  template <int kBits, bool kAsk, Keep kKeep, bool kWhole, int M, int V>
  static HEARTH_INLINE Codes* block_vectors(const Block& block, int64_t v, int64_t token,
                                            Prefetcher& prefetcher, Codes* kept) {
    Ints sums[V][M];
    start_sums<kBits, kWhole>(block, v, token, sums);
    const auto add = [&](auto codes) HEARTH_ALWAYS_INLINE {
      Vectors::template add_rows<kBits>(codes, block.inputs + token, block.tokens, block.word_rows,
                                        sums);
      return codes.kept;
    };
    if constexpr (kKeep == Keep::kTake) {
      kept = add(KeptCodes<V>{kept});
    } else {
      kept = add(WordCodes<kBits, kAsk, kKeep == Keep::kLeave, kWhole, V>{
          block.words + v * kLanes, block.stride, block.panel.rows - v * kLanes, prefetcher, kept});
    }
    if (block.before) scale_sums<kWhole, false>(block, v, token, sums);
    else scale_sums<kWhole, true>(block, v, token, sums);
    return kept;
  }

  /// A slice for M tokens.
  template <int kBits, bool kAsk, Keep kKeep, int M>
  static void tile(const Block& block, const Slice& slice, int64_t token, Prefetcher& shared) {
    Prefetcher prefetcher = shared;  // in registers
    // Tiles that share codes have vectors alike.
    constexpr int V =
        Vectors::tile_vectors(kKeep == Keep::kNothing ? M : Vectors::tile_tokens(kBits));
    int64_t v = slice.begin;
    Codes* kept = slice.kept;
    for (; v + V <= slice.end && (v + V) * kLanes <= block.panel.rows; v += V) {
      kept = block_vectors<kBits, kAsk, kKeep, true, M, V>(block, v, token, prefetcher, kept);
    }
    for (; v < slice.end; ++v) {
      kept = block_vectors<kBits, kAsk, kKeep, false, M, 1>(block, v, token, prefetcher, kept);
    }
    if constexpr (kAsk) shared = prefetcher;
  }

  using Tile = void (*)(const Block& block, const Slice& slice, int64_t token,
                        Prefetcher& prefetcher);

  template <int kBits, bool kAsk, Keep kKeep, int M = Vectors::tile_tokens(kBits)>
  static constexpr Tile tile_of(int64_t tokens) {
    // Tiles that share codes are of even size.
    constexpr int kLeast = kKeep == Keep::kNothing ? 1 : (Vectors::tile_tokens(kBits) + 1) / 2;
    if constexpr (M > kLeast) {
      if (tokens < M) return tile_of<kBits, kAsk, kKeep, M - 1>(tokens);
    }
    return tile<kBits, kAsk, kKeep, M>;
  }

  /// All tokens, slice by slice, in tiles of even size.
  template <int kBits, bool kAsk>
  static void block_tiles(const Block& block, Prefetcher prefetcher) {
    constexpr int64_t kMost = Vectors::tile_tokens(kBits);
    constexpr int64_t kSliceVectors = kSliceRows / kLanes;
    const int64_t vectors = (block.panel.rows + kLanes - 1) / kLanes;
    const int64_t tiles = (block.tokens + kMost - 1) / kMost;
    if (tiles == 1) {
      const Tile alone = tile_of<kBits, kAsk, Keep::kNothing>(block.tokens);
      return alone(block, {0, vectors}, 0, prefetcher);
    }
    Codes kept[slice_codes(kBits)];
    for (int64_t v = 0; v < vectors; v += kSliceVectors) {
      const Slice slice{v, v + kSliceVectors < vectors ? v + kSliceVectors : vectors, kept};
      for (int64_t i = 0; i < tiles; ++i) {
        const int64_t token = block.tokens * i / tiles;
        const int64_t count = block.tokens * (i + 1) / tiles - token;
        const Tile tile = i == 0 ? tile_of<kBits, kAsk, Keep::kLeave>(count)
                                 : tile_of<kBits, false, Keep::kTake>(count);
        tile(block, slice, token, prefetcher);
      }
    }
  }

  /// Moves the words of a block to `copy`, which is as wide as the call's rows.
  static void copy_block(const Block& block, uint32_t* copy, int64_t copy_stride) {
    for (int64_t r = 0; r < block.word_rows; ++r) {
      __builtin_memcpy(copy + r * copy_stride, block.words + r * block.stride,
                       static_cast<size_t>(block.panel.rows) * sizeof(uint32_t));
    }
  }

  /// All inputs of a panel. `next`: where to go on, or no matrix if unknown.
  template <int kBits>
  static void panel_product(const Panel& panel, const Panel& next, const ActivationTile& input,
                            uint32_t* copy, int64_t copy_stride, float* totals, float* y,
                            int64_t y_stride) {
    const int64_t blocks = panel.matrix->cols / input.block;
    Block block{.panel = panel, .word_rows = input.block * kBits / 32, .tokens = input.tokens};
    for (int64_t b = 0; b < blocks; ++b) {
      const bool last = b + 1 == blocks;
      block.words = panel.words(b * block.word_rows);
      block.stride = panel.matrix->rows;
      block.group = b * input.block / panel.matrix->group_size;
      block.inputs = input.words + b * (input.block / 4) * input.tokens;
      block.scales = input.scales + b * input.tokens;
      block.sums = input.sums + b * input.tokens;
      block.before = b == 0 ? nullptr : totals;
      block.after = last ? y : totals;
      block.vector_stride = last ? kLanes : input.tokens * kLanes;
      block.token_stride = last ? y_stride : kLanes;
      if (copy) {
        uint32_t* words = copy + b * block.word_rows * copy_stride;
        if (input.tile == 0) copy_block(block, words, copy_stride);
        block.words = words;
        block.stride = copy_stride;
      }
      const Panel& after = last ? next : panel;
      Prefetcher prefetcher{.columns = (panel.rows + kLanes - 1) / kLanes};
      if (after.matrix && !(copy && input.tile > 0)) {
        prefetcher.at = after.words(last ? 0 : (b + 1) * block.word_rows);
        prefetcher.stride = after.matrix->rows;
      }
      if (prefetcher.at) block_tiles<kBits, true>(block, prefetcher);
      else block_tiles<kBits, false>(block, prefetcher);
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
    constexpr int64_t kPanelRows = Vectors::panel_vectors(kBits) * kLanes;
    alignas(64) float totals[kPanelRows * kMaxTileTokens];
    for (int64_t n = row_begin; n < row_end; n += kPanelRows) {
      const int64_t left = row_end - n;
      const Panel panel{&matrix, n, left < kPanelRows ? left : kPanelRows};
      const Panel next =
          left > kPanelRows ? Panel{&matrix, n + kPanelRows} : Panel{input.next, input.next_row};
      panel_product<kBits>(panel, next, input, input.copy ? input.copy + n - row_begin : nullptr,
                           row_end - row_begin, totals, output.values + n - row_begin,
                           output.stride);
    }
  }
};

}  // namespace
}  // namespace hearth
