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
// bound the products, two a cycle as well. More tokens than kTileTokens go through the registers in
// two parts, while the block of weights is in the first-level cache. A panel of up to kPanelVectors
// vectors goes through all inputs one block at a time, its float sums in memory (the first-level
// cache).
//
// One token is bound by memory, and leaves the order of its reads to the processor's prefetchers,
// which follow it: prefetch instructions only took room in the queues. More tokens spend longer on
// a block than these look ahead: a later block is then asked for by instructions.
//
// The zero point enters as the start value −z·Σa of the integer sum, which is exact. Float sums
// take one fma a block, in block order, in every shape of tile: the same bits for any M.
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/packed.h"

namespace hearth::avx512 {
namespace {

/// Tokens of a tile in registers.
constexpr int kTileTokens = 12;

/// Vectors of float sums of a panel (24 KiB), and the most vectors of output rows that it has.
constexpr int64_t kPanelSums = 16 * kMaxTileTokens;
constexpr int64_t kPanelVectors = 32;

/// Blocks between the one that is computed and the one that is prefetched.
constexpr int64_t kBlocksAhead = 2;

/// Walks over the words of a later block row by row, whatever the shape of the tiles: what memory
/// sees are long pieces of a row. Into the second-level cache: of those requests more can be under
/// way than of requests for the first level.
struct Prefetcher {
  const uint32_t* at = nullptr;
  int64_t column = 0;   // in vectors
  int64_t columns = 0;  // of the panel
  int64_t stride = 0;   // words of a matrix row

  template <int V>
  HEARTH_INLINE void step() {
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(at + i * kLanes), _MM_HINT_T1);
    }
    at += V * kLanes;
    column += V;
    if (column >= columns) {
      at += stride - column * kLanes;
      column = 0;
    }
  }
};

/// One block of inputs of one panel, and the panel's float sums.
struct BlockWork {
  const QuantizedMatrix* matrix = nullptr;
  const uint32_t* weights = nullptr;   // [word_rows] rows of the matrix, from first_row on
  const uint32_t* prefetch = nullptr;  // the words wanted later, likewise
  int64_t word_rows = 0;
  int64_t group = 0;
  int64_t first_row = 0;  // of the panel
  int64_t panel_rows = 0;
  int64_t tokens = 0;
  const int32_t* words = nullptr;  // this block's part of ActivationTile's, likewise:
  const float* scales = nullptr;   // [tokens]
  const int32_t* sums = nullptr;   // [tokens]
  float* totals = nullptr;         // [vectors of the panel][tokens][16]
};

/// What a step of the innermost loop needs besides its accumulators.
struct Step {
  const uint32_t* weights = nullptr;
  const int32_t* words = nullptr;  // of the tile's first token
  int64_t tokens = 0;              // of a row of words
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
template <int kBits, int M, int V>
HEARTH_INLINE void start_sums(const BlockWork& work, int64_t v, const int32_t* sums,
                              __m512i (&acc)[V][M]) {
  if (!work.matrix->zeros) {
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) {
      const __m512i start = _mm512_set1_epi32(-(1 << (kBits - 1)) * sums[t]);
#pragma GCC unroll 16
      for (int i = 0; i < V; ++i) acc[i][t] = start;
    }
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    const int64_t at = (v + i) * kLanes;
    const int64_t left = work.panel_rows - at;
    const __m512i zeros = load_zeros<kBits>(*work.matrix, work.group, work.first_row + at,
                                            left < kLanes ? left : kLanes);
    const __m512i negative = _mm512_sub_epi32(_mm512_setzero_si512(), zeros);
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) {
      acc[i][t] = _mm512_mullo_epi32(negative, _mm512_set1_epi32(sums[t]));
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
    operands[i] = kBits == 4 ? _mm512_and_si512(words[i], nibbles) : words[i];
  }
  add_products<M, V>(operands, step.words, acc);
  if constexpr (kBits == 4) {
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i) {
      operands[i] = _mm512_and_si512(_mm512_srli_epi32(words[i], 4), nibbles);
    }
    add_products<M, V>(operands, step.words + step.tokens, acc);
  }
}

/// One token: vector by vector, so that few operands are alive beside V accumulators.
template <int kBits, int V>
HEARTH_INLINE void add_rows(const Step& step, const __mmask16 (&lanes)[V], __m512i nibbles,
                            __m512i (&acc)[V][1]) {
  const __m512i x = broadcast(step.words);
  const __m512i high_x = kBits == 4 ? broadcast(step.words + 1) : x;
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

/// totals += scale of the weights · scale of the activations · sum.
template <int M, int V>
HEARTH_INLINE void scale_sums(const BlockWork& work, int64_t v, int64_t first_token,
                              const __mmask16 (&lanes)[V], const __m512i (&acc)[V][M]) {
  const float* token_scales = work.scales + first_token;
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    const __m512 scales =
        load_scales(*work.matrix, work.group, work.first_row + (v + i) * kLanes, lanes[i]);
    float* totals = work.totals + ((v + i) * work.tokens + first_token) * kLanes;
#pragma GCC unroll 12
    for (int t = 0; t < M; ++t) {
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(token_scales[t]));
      const __m512 total = _mm512_load_ps(totals + t * kLanes);
      _mm512_store_ps(totals + t * kLanes,
                      _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(acc[i][t]), total));
    }
  }
}

/// Vectors [v, v + V) of the panel for M tokens; kFull where all their lanes are in the panel.
template <int kBits, int M, int V, bool kFull, bool kPrefetch>
HEARTH_INLINE void block_vectors(const BlockWork& work, int64_t v, int64_t first_token,
                                 Prefetcher& prefetcher) {
  __mmask16 lanes[V];
  for (int i = 0; i < V; ++i) {
    lanes[i] = kFull ? __mmask16(0xFFFF) : first_lanes(work.panel_rows - (v + i) * kLanes);
  }
  __m512i acc[V][M];
  start_sums<kBits, M, V>(work, v, work.sums + first_token, acc);
  const __m512i nibbles = _mm512_set1_epi32(0x0F0F0F0F);
  Step step{work.weights + v * kLanes, work.words + first_token, work.tokens};
  for (int64_t r = 0; r < work.word_rows; ++r) {
    if constexpr (kPrefetch) prefetcher.step<V>();
    if constexpr (M == 1) {
      add_rows<kBits, V>(step, lanes, nibbles, acc);
    } else {
      add_rows<kBits, M, V>(step, lanes, nibbles, acc);
    }
    step.weights += work.matrix->rows;
    step.words += (kBits == 4 ? 2 : 1) * work.tokens;
  }
  scale_sums<M, V>(work, v, first_token, lanes, acc);
}

/// Vectors at once for M tokens.
constexpr int tile_vectors(int tokens) {
  return tokens == 1   ? 16
         : tokens == 2 ? 8
         : tokens <= 4 ? 24 / tokens - (tokens == 3 ? 2 : 0)
         : tokens <= 6 ? 4
         : tokens <= 8 ? 3
                       : 2;
}

/// M tokens of the tile, from first_token on.
template <int kBits, int M, bool kPrefetch>
void block_tile(const BlockWork& work, int64_t first_token) {
  constexpr int V = tile_vectors(M);
  const int64_t full = work.panel_rows / kLanes;
  const int64_t vectors = (work.panel_rows + kLanes - 1) / kLanes;
  Prefetcher prefetcher{.at = work.prefetch, .columns = vectors, .stride = work.matrix->rows};
  int64_t v = 0;
  for (; v + V <= full; v += V) {
    block_vectors<kBits, M, V, true, kPrefetch>(work, v, first_token, prefetcher);
  }
  if constexpr (V % 4 == 0) {
    for (; v + V / 2 <= full; v += V / 2) {
      block_vectors<kBits, M, V / 2, true, kPrefetch>(work, v, first_token, prefetcher);
    }
  }
  for (; v < vectors; ++v) {
    block_vectors<kBits, M, 1, false, kPrefetch>(work, v, first_token, prefetcher);
  }
}

using BlockTile = void (*)(const BlockWork& work, int64_t first_token);

/// The first part of a tile asks for the later block, for all of the tile.
template <int kBits, bool kFirst>
constexpr BlockTile kBlockTiles[kTileTokens] = {
    block_tile<kBits, 1, false>,   block_tile<kBits, 2, kFirst>,  block_tile<kBits, 3, kFirst>,
    block_tile<kBits, 4, kFirst>,  block_tile<kBits, 5, kFirst>,  block_tile<kBits, 6, kFirst>,
    block_tile<kBits, 7, kFirst>,  block_tile<kBits, 8, kFirst>,  block_tile<kBits, 9, kFirst>,
    block_tile<kBits, 10, kFirst>, block_tile<kBits, 11, kFirst>, block_tile<kBits, 12, kFirst>,
};

/// All tokens of the tile, in parts of similar size.
template <int kBits>
void block_panel(const BlockWork& work) {
  if (work.tokens <= kTileTokens) return kBlockTiles<kBits, true>[work.tokens - 1](work, 0);
  const int64_t first_part = (work.tokens + 1) / 2;
  kBlockTiles<kBits, true>[first_part - 1](work, 0);
  kBlockTiles<kBits, false>[work.tokens - first_part - 1](work, first_part);
}
static_assert(kMaxTileTokens <= 2 * kTileTokens);

/// Writes the panel's sums out, which begin at column `from` of the output.
void store_panel(const BlockWork& work, int tokens, int64_t from, const ProductOutput& output) {
  for (int64_t v = 0; v * kLanes < work.panel_rows; ++v) {
    const __mmask16 lanes = first_lanes(work.panel_rows - v * kLanes);
    for (int t = 0; t < tokens; ++t) {
      const __m512 total = _mm512_load_ps(work.totals + (v * tokens + t) * kLanes);
      _mm512_mask_storeu_ps(output.values + t * output.stride + from + v * kLanes, lanes, total);
    }
  }
}

/// The words of blocks [0, kBlocksAhead) of the first panel, which no earlier block could ask for.
void prefetch_first(const QuantizedMatrix& matrix, const uint32_t* weights, int64_t vectors,
                    int64_t word_rows) {
  Prefetcher prefetcher{.at = weights, .columns = vectors, .stride = matrix.rows};
  for (int64_t i = 0; i < vectors * word_rows; ++i) prefetcher.step<1>();
}

/// One panel, all inputs. `next` is where the words of the panel that follows begin, or null.
template <int kBits>
void panel_product(BlockWork& work, const uint32_t* weights, const uint32_t* next,
                   const ActivationTile& input) {
  const int64_t blocks = work.matrix->cols / input.block;
  const int64_t block_words = work.word_rows * work.matrix->rows;
  const int64_t sums = (work.panel_rows + kLanes - 1) / kLanes * input.tokens;
  for (int64_t i = 0; i < sums; ++i) {
    _mm512_store_ps(work.totals + i * kLanes, _mm512_setzero_ps());
  }
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t ahead = b + kBlocksAhead;
    work.weights = weights + b * block_words;
    work.prefetch = ahead < blocks ? weights + ahead * block_words
                    : next         ? next + ahead % blocks * block_words
                                   : work.weights;  // in the cache already: no traffic
    work.group = b * input.block / work.matrix->group_size;
    work.words = input.words + b * (input.block / 4) * input.tokens;
    work.scales = input.scales + b * input.tokens;
    work.sums = input.sums + b * input.tokens;
    block_panel<kBits>(work);
  }
}

template <int kBits>
void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
             const ActivationTile& input, const ProductOutput& output) {
  alignas(64) float totals[kPanelSums * kLanes];
  const uint32_t* weights = static_cast<const uint32_t*>(matrix.weights);
  const int64_t word_rows = input.block * kBits / 32;
  const int64_t most = kPanelSums / input.tokens;
  const int64_t panel_rows = (most < kPanelVectors ? most : kPanelVectors) * kLanes;
  for (int64_t n = row_begin; n < row_end; n += panel_rows) {
    BlockWork work;
    work.matrix = &matrix;
    work.word_rows = word_rows;
    work.first_row = n;
    work.panel_rows = row_end - n < panel_rows ? row_end - n : panel_rows;
    work.totals = totals;
    work.tokens = input.tokens;
    if (n == row_begin && input.tokens > 1) {
      const int64_t blocks = matrix.cols / input.block;
      prefetch_first(matrix, weights + n, (work.panel_rows + kLanes - 1) / kLanes,
                     word_rows * (blocks < kBlocksAhead ? blocks : kBlocksAhead));
    }
    const uint32_t* next = n + panel_rows < row_end ? weights + n + panel_rows : nullptr;
    panel_product<kBits>(work, weights + n, next, input);
    store_panel(work, input.tokens, n - row_begin, output);
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

}  // namespace hearth::avx512
