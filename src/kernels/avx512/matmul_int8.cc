// Packed weights times int8 activations, in place.
//
//              n … n+15 (one register)                    activations of the same 8 inputs
//   k 0..7   [ word | word | … | word ]                   [k 0,2,4,6] of token 0, 1, …, M−1
//   k 8..15  [ word | word | … | word ]                   [k 1,3,5,7] of token 0, 1, …, M−1
//
// w4: `& 0x0F` leaves k = 0,2,4,6 of each output row as the four unsigned bytes of its lane, `>> 4`
// and the mask k = 1,3,5,7: the operands of vpdpbusd, whose other side is one word of activations
// broadcast to all lanes. w8 words are such an operand as they are. Nothing is repacked.
//
// The tile in registers is V vectors of 16 output rows × M tokens, at most 24 accumulators: one
// word of activations is loaded once for V products, so that loads, two a cycle at best, do not
// bound the products, two a cycle as well. More tokens than kPartTokens go through the registers in
// two parts, while the block of weights is in a cache. A panel of up to kPanelRows goes through all
// inputs one block at a time, its float sums in memory (the second-level cache).
//
// One token and all rows of a matrix go front to back (kernels/int8_stream.h). More tokens spend
// longer on a block than prefetchers look ahead: the block after it is then asked for by
// instructions, at the end of a panel the first one of what comes next; its scales likewise.
//
// Loads are the scarce thing: with one for every two products and the lines that arrive from
// memory, each further one costs speed. Words of weights are therefore loaded once and kept, and
// the addresses of a row are a few pointers that GCC must not take apart.
//
// The zero point enters as the start value −z·Σa of the integer sum, which is exact. Float sums
// take one fma a block, in block order, in every shape of tile: the same bits for any M.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/packed.h"
#include "kernels/avx512/stream_vectors.h"
#include "kernels/panel_prefetcher.h"

namespace hearth::avx512 {
namespace {

/// Most output rows of a panel: pieces of 4 KiB of every row of words. Panels so short that sums
/// and words stay in the first-level cache are slower by a tenth, from memory.
constexpr int64_t kPanelRows = 64 * kLanes;

using Prefetcher = PanelPrefetcher<kLanes, 3>;

/// Where float sums of a panel go: element (vector v, token t) to the 16 from
/// values[v * vector_stride + t * token_stride] on.
struct Sums {
  float* values = nullptr;
  int64_t vector_stride = 0;
  int64_t token_stride = 0;
};

/// A place in a matrix: a block of inputs, from an output row on.
struct BlockPlace {
  const QuantizedMatrix* matrix = nullptr;
  int64_t group = 0;
  int64_t row = 0;
  const uint32_t* words = nullptr;  // of the block's first inputs, for `row` and those after it
  int64_t stride = 0;               // words from one row of words to the next
};

/// One block of inputs of one panel, and the panel's float sums.
struct BlockWork {
  BlockPlace at;
  BlockPlace next;  // what is wanted then; of no matrix if unknown
  int64_t word_rows = 0;
  int64_t panel_rows = 0;
  int64_t tokens = 0;
  const int32_t* words = nullptr;  // this block's part of ActivationTile's, likewise:
  const float* scales = nullptr;   // [tokens]
  const int32_t* sums = nullptr;   // [tokens]
  const float* before = nullptr;   // [vectors][tokens][16], of the blocks so far; null: zeros
  Sums after;                      // and with this one
};

/// What a step of the innermost loop needs besides its accumulators.
struct Step {
  const uint32_t* weights = nullptr;
  const int32_t* words = nullptr;       // of the tile's first token
  const int32_t* high_words = nullptr;  // w4: those that meet the high nibbles
};

// Written as instructions: from its intrinsics GCC 12 makes copies of the accumulators, and loads a
// broadcast word once for every product; that costs half of the speed.
HEARTH_INLINE void dot(__m512i& acc, __m512i weights, __m512i words) {
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(weights), "v"(words));
}

HEARTH_INLINE __m512i broadcast(const int32_t* word) {
  __m512i all;
  asm volatile("vpbroadcastd %1, %0" : "=v"(all) : "m"(*word));
  return all;
}

/// The start values −z·Σa of the sums of V vectors.
template <int kBits, int M, int V, bool kFull>
HEARTH_INLINE void start_sums(const BlockWork& work, int64_t v, const int32_t* sums,
                              __m512i (&acc)[V][M]) {
  asm("" : "+r"(sums));  // each sum at a constant from here
  if (!work.at.matrix->zeros) {
    const __m512i factor = _mm512_set1_epi32(-(1 << (kBits - 1)));
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) {
      const __m512i start = _mm512_mullo_epi32(factor, _mm512_set1_epi32(sums[t]));
#pragma GCC unroll 16
      for (int i = 0; i < V; ++i) acc[i][t] = start;
    }
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    const int64_t at = (v + i) * kLanes;
    const int64_t left = work.panel_rows - at;
    const __m512i zeros = load_zeros<kBits>(*work.at.matrix, work.at.group, work.at.row + at,
                                            kFull || left > kLanes ? kLanes : left);
    const __m512i factor = _mm512_sub_epi32(_mm512_setzero_si512(), zeros);
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) {
      acc[i][t] = _mm512_mullo_epi32(factor, _mm512_set1_epi32(sums[t]));
    }
  }
}

/// Adds the products of V operands with one word of activations of each token.
template <int M, int V>
HEARTH_INLINE void add_products(const __m512i (&weights)[V], const int32_t* words,
                                __m512i (&acc)[V][M]) {
#pragma GCC unroll 12
  for (int t = 0; t < M; ++t) {
    const __m512i x = broadcast(words + t);
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i) dot(acc[i][t], weights[i], x);
  }
}

/// Many tokens: the operands of V vectors, each for all tokens.
template <int kBits, int M, int V>
HEARTH_INLINE void add_rows(const Step& step, const __mmask16 (&lanes)[V], __m512i nibbles,
                            __m512i (&acc)[V][M]) {
  __m512i words[V];
  __m512i operands[V];
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    words[i] = _mm512_maskz_loadu_epi32(lanes[i], step.weights + i * kLanes);
    if constexpr (kBits == 4) asm("" : "+v"(words[i]));  // not to be loaded again
    operands[i] = kBits == 4 ? _mm512_and_si512(words[i], nibbles) : words[i];
  }
  add_products<M, V>(operands, step.words, acc);
  if constexpr (kBits == 4) {
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i) {
      operands[i] = _mm512_and_si512(_mm512_srli_epi32(words[i], 4), nibbles);
    }
    add_products<M, V>(operands, step.high_words, acc);
  }
}

/// One token: vector by vector, so that few operands are alive beside V accumulators.
template <int kBits, int V>
HEARTH_INLINE void add_rows(const Step& step, const __mmask16 (&lanes)[V], __m512i nibbles,
                            __m512i (&acc)[V][1]) {
  const __m512i x = broadcast(step.words);
  const __m512i high_x = kBits == 4 ? broadcast(step.high_words) : x;
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    const __m512i words = _mm512_maskz_loadu_epi32(lanes[i], step.weights + i * kLanes);
    if constexpr (kBits == 4) {
      dot(acc[i][0], _mm512_and_si512(words, nibbles), x);
      dot(acc[i][0], _mm512_and_si512(_mm512_srli_epi32(words, 4), nibbles), high_x);
    } else {
      dot(acc[i][0], words, x);
    }
  }
}

/// after = before + scale of the weights · scale of the activations · sum.
template <int M, int V, bool kFull, bool kFirst>
HEARTH_INLINE void scale_sums(const BlockWork& work, int64_t v, int64_t first_token,
                              const __mmask16 (&lanes)[V], const __m512i (&acc)[V][M]) {
  const float* token_scales = work.scales + first_token;
  asm("" : "+r"(token_scales));  // each scale at a constant from here
  const int64_t after_stride = work.after.token_stride;
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    const __m512 scales =
        load_scales(*work.at.matrix, work.at.group, work.at.row + (v + i) * kLanes, lanes[i]);
    const float* before =
        kFirst ? nullptr : work.before + ((v + i) * work.tokens + first_token) * kLanes;
    float* after = work.after.values + (v + i) * work.after.vector_stride +
                   first_token * work.after.token_stride;
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) {
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(token_scales[t]));
      const __m512 sum =
          _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(acc[i][t]),
                          kFirst ? _mm512_setzero_ps() : _mm512_loadu_ps(before + t * kLanes));
      if constexpr (kFull) {
        _mm512_storeu_ps(after, sum);
      } else {
        _mm512_mask_storeu_ps(after, lanes[i], sum);
      }
      after += after_stride;
      asm("" : "+r"(after));  // one addition, no multiples of the stride
    }
  }
}

/// Vectors at once for M tokens.
constexpr int tile_vectors(int tokens) {
  return tokens == 1 ? 16 : tokens == 2 ? 8 : tokens <= 4 ? 4 : tokens <= 7 ? 3 : 2;
}

/// What a part of a tile asks for of the next block.
enum class Ask { kNothing, kHalf, kWhole };

/// Vectors [v, v + V) of the panel for M tokens; kFull where all their lanes are in the panel.
template <int kBits, int M, int V, bool kFull, Ask kAsk>
HEARTH_INLINE void block_vectors(const BlockWork& work, int64_t v, int64_t first_token,
                                 Prefetcher& prefetcher) {
  __mmask16 lanes[V];
  for (int i = 0; i < V; ++i) {
    lanes[i] = kFull ? __mmask16(0xFFFF) : first_lanes(work.panel_rows - (v + i) * kLanes);
  }
  __m512i acc[V][M];
  start_sums<kBits, M, V, kFull>(work, v, work.sums + first_token, acc);
  const __m512i nibbles = _mm512_set1_epi32(0x0F0F0F0F);
  Step step{work.at.words + v * kLanes, work.words + first_token, nullptr};
  step.high_words = step.words + work.tokens;
  asm("" : "+r"(step.high_words));  // a pointer of its own
  const int64_t row_stride = work.at.stride;
  const int64_t words_stride = (kBits == 4 ? 2 : 1) * work.tokens;
  for (int64_t r = work.word_rows; r > 0; --r) {
    if constexpr (kAsk == Ask::kWhole) prefetcher.step<tile_vectors(M)>();
    if constexpr (kAsk == Ask::kHalf) prefetcher.step<(tile_vectors(M) + 1) / 2>();
    if constexpr (M == 1) {
      add_rows<kBits, V>(step, lanes, nibbles, acc);
    } else {
      add_rows<kBits, M, V>(step, lanes, nibbles, acc);
    }
    step.weights += row_stride;
    step.words += words_stride;
    if constexpr (kBits == 4) step.high_words += words_stride;
  }
  if (work.before) scale_sums<M, V, kFull, false>(work, v, first_token, lanes, acc);
  else scale_sums<M, V, kFull, true>(work, v, first_token, lanes, acc);
}

/// The full vectors of a panel from v on, V at once, and those that remain fewer at once.
template <int kBits, int M, int V, Ask kAsk>
HEARTH_INLINE void block_full_vectors(const BlockWork& work, int64_t v, int64_t first_token,
                                      Prefetcher& prefetcher) {
  const int64_t full = work.panel_rows / kLanes;
  for (; v + V <= full; v += V) {
    block_vectors<kBits, M, V, true, kAsk>(work, v, first_token, prefetcher);
  }
  if constexpr (V > 1) {
    if (v < full) block_full_vectors<kBits, M, (V + 1) / 2, kAsk>(work, v, first_token, prefetcher);
  }
}

/// M tokens of the tile, from first_token on.
template <int kBits, int M, Ask kAsk>
void block_tile(const BlockWork& work, int64_t first_token) {
  const int64_t full = work.panel_rows / kLanes;
  const int64_t vectors = (work.panel_rows + kLanes - 1) / kLanes;
  Prefetcher prefetcher{.at = work.next.words, .columns = vectors, .stride = work.next.stride};
  const bool second_half = kAsk == Ask::kHalf && first_token > 0;
  if (second_half) prefetcher.at += work.word_rows / 2 * work.next.stride;
  block_full_vectors<kBits, M, tile_vectors(M), kAsk>(work, 0, first_token, prefetcher);
  if (full < vectors) {
    block_vectors<kBits, M, 1, false, kAsk>(work, full, first_token, prefetcher);
  }
}

using BlockTile = void (*)(const BlockWork& work, int64_t first_token);

template <int kBits, Ask kAsk>
constexpr BlockTile kBlockTiles[kPartTokens] = {
    block_tile<kBits, 1, Ask::kNothing>, block_tile<kBits, 2, kAsk>,  block_tile<kBits, 3, kAsk>,
    block_tile<kBits, 4, kAsk>,          block_tile<kBits, 5, kAsk>,  block_tile<kBits, 6, kAsk>,
    block_tile<kBits, 7, kAsk>,          block_tile<kBits, 8, kAsk>,  block_tile<kBits, 9, kAsk>,
    block_tile<kBits, 10, kAsk>,         block_tile<kBits, 11, kAsk>, block_tile<kBits, 12, kAsk>,
};

/// All tokens of the tile, in parts of similar size, each of which asks for as much.
template <int kBits>
void block_panel(const BlockWork& work) {
  const bool one_part = work.tokens <= kPartTokens;
  const BlockTile* tiles = kBlockTiles<kBits, Ask::kNothing>;
  if (work.next.matrix) {
    tiles = one_part ? kBlockTiles<kBits, Ask::kWhole> : kBlockTiles<kBits, Ask::kHalf>;
  }
  const int64_t first_part = one_part ? work.tokens : (work.tokens + 1) / 2;
  tiles[first_part - 1](work, 0);
  if (!one_part) tiles[work.tokens - first_part - 1](work, first_part);
}
static_assert(kMaxTileTokens <= 2 * kPartTokens);

void prefetch_scales(const BlockPlace& place, int64_t rows) {
  constexpr int64_t kPerLine = 32;
  const uint16_t* scales = place.matrix->scales + place.group * place.matrix->rows + place.row;
  for (int64_t i = 0; i < rows; i += kPerLine) {
    _mm_prefetch(reinterpret_cast<const char*>(scales + i), _MM_HINT_T0);
  }
}

/// Moves the words of a block to `to`, which is as wide as the panel, and goes on from there.
void copy_block(BlockPlace& place, int64_t word_rows, int64_t panel_rows, uint32_t* to,
                int64_t to_stride) {
  for (int64_t r = 0; r < word_rows; ++r) {
    for (int64_t n = 0; n < panel_rows; n += kLanes) {
      const __mmask16 lanes = first_lanes(panel_rows - n);
      const __m512i words = _mm512_maskz_loadu_epi32(lanes, place.words + r * place.stride + n);
      _mm512_mask_storeu_epi32(to + r * to_stride + n, lanes, words);
    }
  }
  place.words = to;
  place.stride = to_stride;
}

/// The words of a call's rows: those of the matrix, or the copy that is made of them.
struct PanelWords {
  const QuantizedMatrix* matrix = nullptr;
  int64_t row = 0;           // of the panel
  uint32_t* copy = nullptr;  // of this panel, or null
  int64_t copy_stride = 0;
  bool copied = false;

  HEARTH_INLINE BlockPlace place(int64_t group, int64_t word_row) const {
    if (copied) return {matrix, group, row, copy + word_row * copy_stride, copy_stride};
    const uint32_t* words = static_cast<const uint32_t*>(matrix->weights);
    return {matrix, group, row, words + word_row * matrix->rows + row, matrix->rows};
  }
};

/// What is asked for while block b of a panel is computed: the block after it; where its own words
/// are a copy, blocks of the panel that follows, which the copy's tiles share.
BlockPlace wanted(const PanelWords& panel, const PanelWords& following, int64_t b, int64_t blocks,
                  int64_t word_rows, const ActivationTile& input) {
  const auto place = [&](const PanelWords& words, int64_t block) {
    if (!words.matrix) return BlockPlace{};
    return words.place(block * input.block / words.matrix->group_size, block * word_rows);
  };
  if (!panel.copied) return b + 1 < blocks ? place(panel, b + 1) : place(following, 0);
  const int64_t first = (input.tile - 1) * blocks / (input.tiles - 1);
  const int64_t end = input.tile * blocks / (input.tiles - 1);
  return first + b < end ? place(following, first + b) : BlockPlace{};
}

/// One panel, all inputs: sums grow in `totals`, from zero, and leave with the last block.
template <int kBits>
void panel_product(BlockWork& work, const PanelWords& panel, const PanelWords& following,
                   const ActivationTile& input, float* totals, const Sums& output) {
  const int64_t blocks = panel.matrix->cols / input.block;
  const Sums between{totals, input.tokens * kLanes, kLanes};
  for (int64_t b = 0; b < blocks; ++b) {
    work.at = panel.place(b * input.block / panel.matrix->group_size, b * work.word_rows);
    work.next = wanted(panel, following, b, blocks, work.word_rows, input);
    if (panel.copy && !panel.copied) {
      copy_block(work.at, work.word_rows, work.panel_rows,
                 panel.copy + b * work.word_rows * panel.copy_stride, panel.copy_stride);
    }
    if (input.tokens > 1 && work.next.matrix) prefetch_scales(work.next, work.panel_rows);
    work.words = input.words + b * (input.block / 4) * input.tokens;
    work.scales = input.scales + b * input.tokens;
    work.sums = input.sums + b * input.tokens;
    work.before = b == 0 ? nullptr : totals;
    work.after = b + 1 == blocks ? output : between;
    block_panel<kBits>(work);
  }
}

template <int kBits>
void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
             const ActivationTile& input, const ProductOutput& output) {
  if (Int8Stream<StreamVectors>::whole<kBits>(matrix, row_begin, row_end, input, output.values)) {
    return;
  }
  alignas(64) float totals[kPanelRows * kMaxTileTokens];
  PanelWords panel{&matrix, row_begin, input.copy, row_end - row_begin,
                   input.copy && input.tile > 0};
  for (int64_t n = row_begin; n < row_end; n += kPanelRows) {
    BlockWork work;
    work.word_rows = input.block * kBits / 32;
    work.panel_rows = row_end - n < kPanelRows ? row_end - n : kPanelRows;
    work.tokens = input.tokens;
    PanelWords rest = panel;
    rest.row += kPanelRows;
    if (panel.copy) rest.copy += kPanelRows;
    PanelWords following{input.next, input.next_row + (panel.copied ? n - row_begin : 0)};
    if (!panel.copied && n + kPanelRows < row_end) following = rest;
    panel_product<kBits>(work, panel, following, input, totals,
                         {output.values + n - row_begin, kLanes, output.stride});
    panel = rest;
  }
}

}  // namespace

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  product<8>(matrix, row_begin, row_end, input, output);
}

void use_int8_streams(KernelSet& set) { use_streams<StreamVectors>(set); }

}  // namespace hearth::avx512
