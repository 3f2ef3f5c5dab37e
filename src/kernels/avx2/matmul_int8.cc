// Packed weights times int8 activations, in place, on maddubs (unsigned × signed bytes, pairs added
// into 16 bits with saturation) and madd (pairs of 16 bits added into 32).
//
//              n … n+7 (one register)                   activations of the same 8 inputs
//   k 0..7   [ word | word | … | word ]                 [k 0,2,4,6] of token 0, 1, …
//   k 8..15  [ word | word | … | word ]                 [k 1,3,5,7] of token 0, 1, …
//
// w4: `& 0x0F` leaves k = 0,2,4,6 of each output row as the four bytes of its lane, `>> 4` and the
// mask k = 1,3,5,7; one word of activations, broadcast to all lanes, is the other operand. w8 words
// are four k as they are.
//
// Saturation must not happen, or sums would be wrong in silence:
//   w4: a pair is at most 2·15·127 = 3810, so eight of them (four rows of words) fit 16 bits.
//   w8: unsigned pairs would reach 2·255·127. The codes are made signed, c = w − 128, and |c| ≤ 128
//       meets the activation with the sign of c: at most 2·128·127 = 32512.
// The zero point (less 128 for w8) enters as the start value −z·Σa of the sums.
//
// A panel of up to 512 rows goes through all inputs one block at a time, its float sums in memory
// (the first-level cache): what memory sees are long pieces of a few word rows, which lie pages
// apart. For the same reason processors do not prefetch them, so a later block is asked for here.
#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

constexpr int kMostTokens = 4;
constexpr int64_t kPanelVectors = 64;
constexpr int64_t kBlocksAhead = 2;
constexpr int64_t kRowsPer16Bits = 4;

/// Asks for the words of a later block, as long pieces of row after row, a step with every word row
/// that is computed. Into the second-level cache, which takes more requests at once.
struct Prefetcher {
  const uint32_t* at;
  int64_t column;   // in vectors
  int64_t columns;  // of the panel
  int64_t stride;   // words of a matrix row

  template <int V>
  HEARTH_INLINE void step() {
#pragma GCC unroll 4
    for (int i = 0; i < V; i += 2) {  // two vectors are a cache line
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
  float* totals;         // [vectors of the panel][M][8]

  int64_t left(int64_t v) const { return panel_rows - v * kLanes; }
};

/// V vectors of a row of words; whole unless they are the panel's last.
template <bool kWhole, int V>
HEARTH_INLINE void load_row(const uint32_t* w, const __m256i (&mask)[V], __m256i (&row)[V]) {
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
    row[i] = kWhole ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + i * kLanes))
                    : _mm256_maskload_epi32(reinterpret_cast<const int*>(w + i * kLanes), mask[i]);
  }
}

/// Up to four rows of w4 words: their pairs of products summed in 16 bits, then added to acc.
template <bool kWhole, int M, int V>
HEARTH_INLINE void add_w4_rows(const BlockWork& work, const uint32_t* w, const int32_t* a,
                               int64_t rows, const __m256i (&mask)[V], Prefetcher& prefetcher,
                               __m256i (&acc)[V][M]) {
  const __m256i nibbles = _mm256_set1_epi8(0x0F);
  __m256i pairs[V][M];
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) pairs[i][t] = _mm256_setzero_si256();
  }
  for (int64_t r = 0; r < rows; ++r, w += work.matrix->rows, a += 2 * work.tokens) {
    prefetcher.step<V>();
    __m256i row[V];
    load_row<kWhole>(w, mask, row);
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) {
      const __m256i low = _mm256_and_si256(row[i], nibbles);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi32(row[i], 4), nibbles);
#pragma GCC unroll 4
      for (int t = 0; t < M; ++t) {
        const __m256i even = _mm256_maddubs_epi16(low, _mm256_set1_epi32(a[t]));
        const __m256i odd = _mm256_maddubs_epi16(high, _mm256_set1_epi32(a[work.tokens + t]));
        pairs[i][t] = _mm256_add_epi16(pairs[i][t], _mm256_add_epi16(even, odd));
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) {
      const __m256i sums = _mm256_madd_epi16(pairs[i][t], _mm256_set1_epi16(1));
      acc[i][t] = _mm256_add_epi32(acc[i][t], sums);
    }
  }
}

/// One row of w8 words.
template <bool kWhole, int M, int V>
HEARTH_INLINE void add_w8_row(const uint32_t* w, const int32_t* a, const __m256i (&mask)[V],
                              Prefetcher& prefetcher, __m256i (&acc)[V][M]) {
  prefetcher.step<V>();
  __m256i row[V];
  load_row<kWhole>(w, mask, row);
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
    const __m256i code = _mm256_xor_si256(row[i], _mm256_set1_epi8(-128));
    const __m256i magnitude = _mm256_abs_epi8(code);
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) {
      const __m256i signed_a = _mm256_sign_epi8(_mm256_set1_epi32(a[t]), code);
      const __m256i pairs = _mm256_maddubs_epi16(magnitude, signed_a);
      acc[i][t] = _mm256_add_epi32(acc[i][t], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }
}

/// The start values −z·Σa of the sums of V vectors.
template <int kBits, int M, int V>
HEARTH_INLINE void start_sums(const BlockWork& work, int64_t v, __m256i (&acc)[V][M]) {
  const __m256i centre = _mm256_set1_epi32(kBits == 8 ? 128 : 0);
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
    const __m256i zeros = load_zeros(*work.matrix, kBits, work.group,
                                     work.first_row + (v + i) * kLanes, work.left(v + i));
    const __m256i negative = _mm256_sub_epi32(centre, zeros);
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t) {
      acc[i][t] = _mm256_mullo_epi32(negative, _mm256_set1_epi32(work.sums[t]));
    }
  }
}

/// totals += scale of the weights · scale of the activations · sum.
template <int M, int V>
HEARTH_INLINE void scale_sums(const BlockWork& work, int64_t v, const __m256i (&acc)[V][M]) {
  const QuantizedMatrix& matrix = *work.matrix;
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
    const int64_t n = work.first_row + (v + i) * kLanes;
    const __m256 scales = load_scales(matrix.scales + work.group * matrix.rows + n,
                                      matrix.scale_type, work.left(v + i));
    float* totals = work.totals + (v + i) * M * kLanes;
#pragma GCC unroll 4
    for (int t = 0; t < M; ++t, totals += kLanes) {
      const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(work.scales[t]));
      const __m256 sum = _mm256_cvtepi32_ps(acc[i][t]);
      _mm256_store_ps(totals, _mm256_fmadd_ps(scale, sum, _mm256_load_ps(totals)));
    }
  }
}

/// Vectors [v, v + V) of the panel.
template <int kBits, bool kWhole, int M, int V>
HEARTH_INLINE void block_vectors(const BlockWork& work, int64_t v, Prefetcher& prefetcher) {
  __m256i mask[V];
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) mask[i] = lane_mask(work.left(v + i));
  __m256i acc[V][M];
  start_sums<kBits>(work, v, acc);
  const uint32_t* w = work.weights + v * kLanes;
  const int32_t* a = work.words;
  if constexpr (kBits == 4) {
    for (int64_t r = 0; r < work.word_rows; r += kRowsPer16Bits) {
      const int64_t left = work.word_rows - r;
      add_w4_rows<kWhole>(work, w, a, left < kRowsPer16Bits ? left : kRowsPer16Bits, mask,
                          prefetcher, acc);
      w += kRowsPer16Bits * work.matrix->rows;
      a += kRowsPer16Bits * 2 * work.tokens;
    }
  } else {
    for (int64_t r = 0; r < work.word_rows; ++r) {
      add_w8_row<kWhole>(w, a, mask, prefetcher, acc);
      w += work.matrix->rows;
      a += work.tokens;
    }
  }
  scale_sums(work, v, acc);
}

template <int kBits, int M>
void block_panel(const BlockWork& work, const uint32_t* ahead) {
  // As many accumulators as there are registers for; two vectors at least, a whole cache line of
  // each word row: rows are a multiple of 4096 bytes apart and evict each other.
  constexpr int V = M <= 2 ? 4 : 2;
  const int64_t vectors = (work.panel_rows + kLanes - 1) / kLanes;
  Prefetcher prefetcher{ahead, 0, vectors, work.matrix->rows};
  int64_t v = 0;
  for (; (v + V) * kLanes <= work.panel_rows; v += V) {
    block_vectors<kBits, true, M, V>(work, v, prefetcher);
  }
  for (; v < vectors; ++v) block_vectors<kBits, false, M, 1>(work, v, prefetcher);
}

/// All inputs of the panel of `rows` rows that begins at first_row, for tokens from `token` on.
template <int kBits, int M>
void panel_product(const QuantizedMatrix& matrix, int64_t first_row, int64_t rows,
                   const ActivationTile& input, int token, float* y, int64_t y_stride) {
  alignas(32) float totals[kPanelVectors * M * kLanes];
  const int64_t vectors = (rows + kLanes - 1) / kLanes;
  for (int64_t i = 0; i < vectors * M; ++i) {
    _mm256_store_ps(totals + i * kLanes, _mm256_setzero_ps());
  }
  const int64_t blocks = matrix.cols / input.block;
  const int64_t word_rows = input.block * kBits / 32;
  const int64_t block_words = word_rows * matrix.rows;
  const uint32_t* weights = static_cast<const uint32_t*>(matrix.weights) + first_row;
  for (int64_t b = 0; b < blocks; ++b) {
    const BlockWork work{&matrix,
                         weights + b * block_words,
                         word_rows,
                         b * input.block / matrix.group_size,
                         first_row,
                         rows,
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
      store_floats(y + t * y_stride + v * kLanes, _mm256_load_ps(totals + (v * M + t) * kLanes),
                   rows - v * kLanes);
    }
  }
}

template <int kBits>
using PanelProduct = void (*)(const QuantizedMatrix& matrix, int64_t first_row, int64_t rows,
                              const ActivationTile& input, int token, float* y, int64_t y_stride);

template <int kBits>
constexpr PanelProduct<kBits> kPanelProducts[kMostTokens] = {
    panel_product<kBits, 1>, panel_product<kBits, 2>, panel_product<kBits, 3>,
    panel_product<kBits, 4>};

template <int kBits>
void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
             const ActivationTile& input, const ProductOutput& output) {
  constexpr int64_t kPanelRows = kPanelVectors * kLanes;
  for (int64_t n = row_begin; n < row_end; n += kPanelRows) {
    const int64_t rows = row_end - n < kPanelRows ? row_end - n : kPanelRows;
    for (int t = 0; t < input.tokens;) {
      const int count = input.tokens - t < kMostTokens ? input.tokens - t : kMostTokens;
      kPanelProducts<kBits>[count - 1](matrix, n, rows, input, t,
                                       output.values + t * output.stride + n - row_begin,
                                       output.stride);
      t += count;
    }
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

}  // namespace hearth::avx2
