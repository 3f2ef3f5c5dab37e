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
// The tile in registers is V vectors of 16 output rows × M tokens. One token wants many vectors,
// to hide the latency of vpdpbusd and to read long pieces of every weight row; many tokens want
// few, so that a broadcast serves V products and accumulators stay in registers. A panel of up to
// kPanelVectors vectors goes through all inputs one block at a time, its float sums in memory (the
// first-level cache), while the next block is prefetched: rows of a packed matrix are far apart,
// beyond what prefetchers of processors follow.
//
// The zero point enters as the start value −z·Σa of the integer sum, which is exact. Float sums
// take one fma a block, in block order, in every shape of tile: the same bits for any M.
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/packed.h"

namespace hearth::avx512 {
namespace {

/// Accumulator vectors of a panel, and the most vectors of rows it has: 12 KiB of float sums at most.
constexpr int64_t kPanelSums = 16 * kMaxTileTokens;
constexpr int64_t kPanelVectors = 32;

/// Walks over the words of the next block row by row, whatever the shape of the tiles: what memory
/// sees are long pieces of a row. Into the second-level cache: of those requests more can be under
/// way than of requests for the first level (Zen 4: twice the bandwidth for one token).
struct Prefetcher {
  const uint32_t* at = nullptr;
  int64_t column = 0;   // in vectors
  int64_t columns = 0;  // of the panel
  int64_t stride = 0;   // words of a matrix row

  template <int V>
  inline __attribute__((always_inline)) void step() {
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
  const uint32_t* weights = nullptr;   // [word_rows] rows of matrix->rows words, from first_row on
  const uint32_t* prefetch = nullptr;  // the words wanted next, likewise
  int64_t word_rows = 0;
  int64_t group = 0;
  int64_t first_row = 0;               // of the panel
  int64_t panel_rows = 0;
  const int32_t* words = nullptr;      // this block's part of ActivationTile's, likewise:
  const float* scales = nullptr;       // [tokens]
  const int32_t* sums = nullptr;       // [tokens]
  float* totals = nullptr;             // [vectors of the panel][tokens][16]
};

/// Vectors [v, v + V) of the panel.
template <int kBits, int M, int V>
inline __attribute__((always_inline)) void block_vectors(const BlockWork& work, int64_t v,
                                                         Prefetcher& prefetcher) {
  const int64_t stride = work.matrix->rows;
  const int64_t n = work.first_row + v * kLanes;
  __mmask16 lanes[V];
  __m512i acc[V][M];
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    const int64_t left = work.panel_rows - (v + i) * kLanes;
    lanes[i] = first_lanes(left);
    const __m512i zeros = load_zeros<kBits>(*work.matrix, work.group, n + i * kLanes,
                                            left < kLanes ? left : kLanes);
    const __m512i negative = _mm512_sub_epi32(_mm512_setzero_si512(), zeros);
#pragma GCC unroll 16
    for (int t = 0; t < M; ++t) {
      acc[i][t] = _mm512_mullo_epi32(negative, _mm512_set1_epi32(work.sums[t]));
    }
  }
  const __m512i nibbles = _mm512_set1_epi32(0x0F0F0F0F);
  const uint32_t* w = work.weights + v * kLanes;
  const int32_t* a = work.words;
  for (int64_t r = 0; r < work.word_rows; ++r) {
    prefetcher.step<V>();
    __m512i low[V];
    __m512i high[V];
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i) {
      low[i] = _mm512_maskz_loadu_epi32(lanes[i], w + i * kLanes);
      if constexpr (kBits == 4) {
        high[i] = _mm512_and_si512(_mm512_srli_epi32(low[i], 4), nibbles);
        low[i] = _mm512_and_si512(low[i], nibbles);
      }
    }
#pragma GCC unroll 16
    for (int t = 0; t < M; ++t) {
      const __m512i x = _mm512_set1_epi32(a[t]);
#pragma GCC unroll 16
      for (int i = 0; i < V; ++i) acc[i][t] = _mm512_dpbusd_epi32(acc[i][t], low[i], x);
    }
    if constexpr (kBits == 4) {
#pragma GCC unroll 16
      for (int t = 0; t < M; ++t) {
        const __m512i x = _mm512_set1_epi32(a[M + t]);
#pragma GCC unroll 16
        for (int i = 0; i < V; ++i) acc[i][t] = _mm512_dpbusd_epi32(acc[i][t], high[i], x);
      }
    }
    w += stride;
    a += (kBits == 4 ? 2 : 1) * M;
  }
#pragma GCC unroll 16
  for (int i = 0; i < V; ++i) {
    const __m512 scales = load_scales(*work.matrix, work.group, n + i * kLanes, lanes[i]);
    float* totals = work.totals + (v + i) * M * kLanes;
#pragma GCC unroll 16
    for (int t = 0; t < M; ++t) {
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(work.scales[t]));
      const __m512 total = _mm512_load_ps(totals + t * kLanes);
      _mm512_store_ps(totals + t * kLanes,
                      _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(acc[i][t]), total));
    }
  }
}

/// Vectors at once for M tokens.
constexpr int tile_vectors(int tokens) {
  return tokens == 1 ? 16 : tokens <= 3 ? 4 : tokens == 4 ? 3 : tokens <= 8 ? 2 : 1;
}

template <int kBits, int M>
void block_panel(const BlockWork& work) {
  constexpr int V = tile_vectors(M);
  const int64_t vectors = (work.panel_rows + kLanes - 1) / kLanes;
  Prefetcher prefetcher{
      .at = work.prefetch, .columns = vectors, .stride = work.matrix->rows};
  int64_t v = 0;
  for (; v + V <= vectors; v += V) block_vectors<kBits, M, V>(work, v, prefetcher);
  for (; v < vectors; ++v) block_vectors<kBits, M, 1>(work, v, prefetcher);
}

template <int kBits>
using BlockPanel = void (*)(const BlockWork& work);

template <int kBits>
constexpr BlockPanel<kBits> kBlockPanels[kMaxTileTokens] = {
    block_panel<kBits, 1>,  block_panel<kBits, 2>,  block_panel<kBits, 3>, block_panel<kBits, 4>,
    block_panel<kBits, 5>,  block_panel<kBits, 6>,  block_panel<kBits, 7>, block_panel<kBits, 8>,
    block_panel<kBits, 9>,  block_panel<kBits, 10>, block_panel<kBits, 11>,
    block_panel<kBits, 12>,
};

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

template <int kBits>
void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
             const ActivationTile& input, const ProductOutput& output) {
  alignas(64) float totals[kPanelSums * kLanes];
  const uint32_t* weights = static_cast<const uint32_t*>(matrix.weights);
  const int64_t word_rows = input.block * kBits / 32;
  const int64_t blocks = matrix.cols / input.block;
  const int64_t block_words = input.block / 4 * input.tokens;
  const int64_t most = kPanelSums / input.tokens;
  const int64_t panel_rows = (most < kPanelVectors ? most : kPanelVectors) * kLanes;
  for (int64_t n = row_begin; n < row_end; n += panel_rows) {
    const int64_t rows = row_end - n < panel_rows ? row_end - n : panel_rows;
    BlockWork work{.matrix = &matrix, .word_rows = word_rows, .first_row = n, .panel_rows = rows,
                   .totals = totals};
    for (int64_t i = 0; i < (rows + kLanes - 1) / kLanes * input.tokens; ++i) {
      _mm512_store_ps(totals + i * kLanes, _mm512_setzero_ps());
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t next_row = b + 1 < blocks ? n : n + rows;
      work.weights = weights + b * word_rows * matrix.rows + n;
      work.prefetch = weights + (b + 1) % blocks * word_rows * matrix.rows + next_row;
      work.group = b * input.block / matrix.group_size;
      work.words = input.words + b * block_words;
      work.scales = input.scales + b * input.tokens;
      work.sums = input.sums + b * input.tokens;
      kBlockPanels<kBits>[input.tokens - 1](work);
    }
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
