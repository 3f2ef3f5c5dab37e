// Packed weights times int8 activations, in place, on registers of 8 lanes; for every instruction
// set that has them. `Arithmetic` says how four products of a lane are formed and summed:
//
//   kCentre8                      what it subtracts from the codes of w8
//   kTileTokens                   tokens whose sums fit its registers
//   begin, add, end               sums of up to kRowsPerPart rows of w4 words, added to `sum`
//   Codes, prepare, add_codes     one row of w8 words, added to `sum`
//
//              n … n+7 (one register)                   activations of the same 8 inputs
//   k 0..7   [ word | word | … | word ]                 [k 0,2,4,6] of token 0, 1, …
//   k 8..15  [ word | word | … | word ]                 [k 1,3,5,7] of token 0, 1, …
//
// w4: `& 0x0F` leaves k = 0,2,4,6 of each output row as the four bytes of its lane, `>> 4` and the
// mask k = 1,3,5,7; one word of activations, broadcast to all lanes, is the other operand. w8 words
// are four k as they are. The zero point, less kCentre8, enters as the start value −z·Σa of the
// sums, which are exact. Float sums take one fma a block, in block order: the same bits for any
// number of tokens.
//
// One token is bound by memory and goes along the word rows, four of them at a time, its integer
// sums in the first-level cache: long pieces, one after the other, are what memory and prefetchers
// like. More tokens are bound by arithmetic: a tile of V vectors × M tokens stays in registers for
// a block of inputs, and a panel of rows goes through all inputs block by block, its float sums in
// the cache. Either way later words are asked for in time, since rows of words lie pages apart,
// which no processor prefetches across.
#pragma once

#include "kernels/avx2/simd.h"
#include "kernels/kernel_set.h"

namespace hearth::avx2 {
namespace {

/// Rows of a panel, in vectors: 2 KiB of each word row.
constexpr int64_t kPanelVectors = 64;
/// Blocks between the one that a tile computes and the one that it prefetches.
constexpr int64_t kBlocksAhead = 2;
/// Rows of w4 words whose products the 16-bit sums of some sets can hold; the rows that one token
/// goes along at once.
constexpr int64_t kRowsPerPart = 4;
/// Word rows between those that one token computes and those that it prefetches: 16 KiB of a panel.
constexpr int64_t kRowsAhead = 8;

HEARTH_INLINE __m256i low_codes(__m256i words) {
  return _mm256_and_si256(words, _mm256_set1_epi8(0x0F));
}

HEARTH_INLINE __m256i high_codes(__m256i words) {
  return _mm256_and_si256(_mm256_srli_epi32(words, 4), _mm256_set1_epi8(0x0F));
}

/// The start value −z·Σa of a sum, with z less `centre`.
HEARTH_INLINE __m256i start_factor(const QuantizedMatrix& matrix, int bits, int64_t group,
                                   int64_t n, int64_t left, int centre) {
  return _mm256_sub_epi32(_mm256_set1_epi32(centre), load_zeros(matrix, bits, group, n, left));
}

// One token.

/// A panel of one token: rows [first_row, first_row + rows) of the matrix.
struct Stream {
  const QuantizedMatrix* matrix;
  int64_t first_row;
  int64_t rows;
  const uint32_t* weights;  // the panel's first word
  const uint32_t* next;     // the first word of the panel that follows, or null
  alignas(32) int32_t sums[kPanelVectors * kLanes];
  alignas(32) float totals[kPanelVectors * kLanes];

  int64_t vectors() const { return (rows + kLanes - 1) / kLanes; }
  int64_t left(int64_t v) const { return rows - v * kLanes; }

  /// What to ask for while word rows from `row` on are computed; at the end what is in the cache.
  const uint32_t* ahead(int64_t row, int64_t word_rows) const {
    const int64_t wanted = row + kRowsAhead;
    if (wanted < word_rows) return weights + wanted * matrix->rows;
    return next ? next + (wanted - word_rows) % word_rows * matrix->rows
                : weights + row * matrix->rows;
  }
};

/// A block's part of the inputs, of one token.
struct StreamBlock {
  int64_t group;
  int32_t sum;  // of the activations
  float scale;  // likewise
};

/// The start value of the sums of vector v.
template <typename Arithmetic, int kBits>
HEARTH_INLINE __m256i start_vector(const Stream& s, const StreamBlock& block, int64_t v) {
  constexpr int kCentre = kBits == 8 ? Arithmetic::kCentre8 : 0;
  const __m256i factor =
      start_factor(*s.matrix, kBits, block.group, s.first_row + v * kLanes, s.left(v), kCentre);
  return _mm256_mullo_epi32(factor, _mm256_set1_epi32(block.sum));
}

/// totals += scale of the weights · scale of the activations · sum.
HEARTH_INLINE void scale_vector(Stream& s, const StreamBlock& block, int64_t v, __m256i sum) {
  const int64_t n = s.first_row + v * kLanes;
  const __m256 scales = load_scales(s.matrix->scales + block.group * s.matrix->rows + n,
                                    s.matrix->scale_type, s.left(v));
  float* totals = s.totals + v * kLanes;
  _mm256_store_ps(totals, _mm256_fmadd_ps(_mm256_mul_ps(scales, _mm256_set1_ps(block.scale)),
                                          _mm256_cvtepi32_ps(sum), _mm256_load_ps(totals)));
}

/// Adds vector v of R word rows, which begin at w. kFirst, kLast: of the block.
template <typename Arithmetic, int kBits, int R, bool kFirst, bool kLast>
HEARTH_INLINE void add_vector(Stream& s, const StreamBlock& block, const uint32_t* w, int64_t v,
                              int64_t left, const __m256i (&a)[R * 8 / kBits]) {
  auto* sums = reinterpret_cast<__m256i*>(s.sums + v * kLanes);
  __m256i sum = kFirst ? start_vector<Arithmetic, kBits>(s, block, v) : _mm256_load_si256(sums);
  w += v * kLanes;
  if constexpr (kBits == 4) {
    __m256i part = Arithmetic::begin(sum);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256i words = load_words(w + r * s.matrix->rows, left);
      part = Arithmetic::add(part, low_codes(words), a[2 * r]);
      part = Arithmetic::add(part, high_codes(words), a[2 * r + 1]);
    }
    sum = Arithmetic::end(part, sum);
  } else {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const auto codes = Arithmetic::prepare(load_words(w + r * s.matrix->rows, left));
      sum = Arithmetic::add_codes(sum, codes, a[r]);
    }
  }
  if constexpr (kLast) scale_vector(s, block, v, sum);
  else _mm256_store_si256(sums, sum);
}

/// Adds R word rows from `row` on; `words` are their activations, `stride` apart.
template <typename Arithmetic, int kBits, int R, bool kFirst, bool kLast>
void add_rows(Stream& s, const StreamBlock& block, int64_t row, int64_t word_rows,
              const int32_t* words, int64_t stride) {
  const uint32_t* w = s.weights + row * s.matrix->rows;
  const uint32_t* ahead = s.ahead(row, word_rows);
  __m256i a[R * 8 / kBits];
#pragma GCC unroll 8
  for (int i = 0; i < R * 8 / kBits; ++i) a[i] = _mm256_set1_epi32(words[i * stride]);
  int64_t v = 0;
  for (; (v + 2) * kLanes <= s.rows; v += 2) {  // two vectors are a cache line
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead + r * s.matrix->rows + v * kLanes),
                   _MM_HINT_T0);
    }
    add_vector<Arithmetic, kBits, R, kFirst, kLast>(s, block, w, v, kLanes, a);
    add_vector<Arithmetic, kBits, R, kFirst, kLast>(s, block, w, v + 1, kLanes, a);
  }
  for (; v < s.vectors(); ++v) {
    add_vector<Arithmetic, kBits, R, kFirst, kLast>(s, block, w, v, s.left(v), a);
  }
}

using AddRows = void (*)(Stream& s, const StreamBlock& block, int64_t row, int64_t word_rows,
                         const int32_t* words, int64_t stride);

/// By whether the rows are a block's last, and its first.
template <typename Arithmetic, int kBits, int R>
constexpr AddRows kAddRows[2][2] = {
    {add_rows<Arithmetic, kBits, R, false, false>, add_rows<Arithmetic, kBits, R, true, false>},
    {add_rows<Arithmetic, kBits, R, false, true>, add_rows<Arithmetic, kBits, R, true, true>}};

/// Asks for the words that no earlier ones could ask for: the first of a call's first panel.
template <int kBits>
void prefetch_first(const Stream& s) {
  const int64_t word_rows = s.matrix->cols * kBits / 32;
  for (int64_t r = 0; r < (word_rows < kRowsAhead ? word_rows : kRowsAhead); ++r) {
    const uint32_t* row = s.weights + r * s.matrix->rows;
    for (int64_t n = 0; n < s.rows; n += 2 * kLanes) {
      _mm_prefetch(reinterpret_cast<const char*>(row + n), _MM_HINT_T0);
    }
  }
}

/// All inputs of a panel for token `token` of the tile.
template <typename Arithmetic, int kBits>
void stream_product(Stream& s, const ActivationTile& input, int token) {
  const int64_t block_rows = input.block * kBits / 32;
  const int64_t blocks = s.matrix->cols / input.block;
  const int64_t row_words = int64_t{8 / kBits} * input.tokens;  // activations of a word row
  for (int64_t v = 0; v < s.vectors(); ++v) {
    _mm256_store_ps(s.totals + v * kLanes, _mm256_setzero_ps());
  }
  for (int64_t b = 0; b < blocks; ++b) {
    const StreamBlock block{b * input.block / s.matrix->group_size,
                            input.sums[b * input.tokens + token],
                            input.scales[b * input.tokens + token]};
    const int64_t begin = b * block_rows;
    const int64_t end = begin + block_rows;
    for (int64_t r = begin; r < end;) {
      const bool whole = r + kRowsPerPart <= end;
      const int64_t rows = whole ? kRowsPerPart : 1;
      const auto& add =
          whole ? kAddRows<Arithmetic, kBits, kRowsPerPart> : kAddRows<Arithmetic, kBits, 1>;
      add[r + rows == end][r == begin](s, block, r, blocks * block_rows,
                                       input.words + r * row_words + token, input.tokens);
      r += rows;
    }
  }
}

// Several tokens.

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

/// Up to four rows of w4 words.
template <typename Arithmetic, bool kWhole, int M, int V>
HEARTH_INLINE void add_w4_rows(const BlockWork& work, const uint32_t* w, const int32_t* a,
                               int64_t rows, const __m256i (&mask)[V], Prefetcher& prefetcher,
                               __m256i (&acc)[V][M]) {
  __m256i part[V][M];
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) part[i][t] = Arithmetic::begin(acc[i][t]);
  }
  for (int64_t r = 0; r < rows; ++r, w += work.matrix->rows, a += 2 * work.tokens) {
    prefetcher.step<V>();
    __m256i row[V];
    load_row<kWhole>(w, mask, row);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      __m256i codes[V];
#pragma GCC unroll 4
      for (int i = 0; i < V; ++i) codes[i] = half == 0 ? low_codes(row[i]) : high_codes(row[i]);
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) {
        const __m256i x = _mm256_set1_epi32(a[half * work.tokens + t]);
#pragma GCC unroll 4
        for (int i = 0; i < V; ++i) part[i][t] = Arithmetic::add(part[i][t], codes[i], x);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) acc[i][t] = Arithmetic::end(part[i][t], acc[i][t]);
  }
}

/// One row of w8 words.
template <typename Arithmetic, bool kWhole, int M, int V>
HEARTH_INLINE void add_w8_row(const uint32_t* w, const int32_t* a, const __m256i (&mask)[V],
                              Prefetcher& prefetcher, __m256i (&acc)[V][M]) {
  prefetcher.step<V>();
  __m256i row[V];
  load_row<kWhole>(w, mask, row);
  typename Arithmetic::Codes codes[V];
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) codes[i] = Arithmetic::prepare(row[i]);
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t) {
    const __m256i x = _mm256_set1_epi32(a[t]);
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) acc[i][t] = Arithmetic::add_codes(acc[i][t], codes[i], x);
  }
}

/// The start values of the sums of V vectors.
template <typename Arithmetic, int kBits, int M, int V>
HEARTH_INLINE void start_sums(const BlockWork& work, int64_t v, __m256i (&acc)[V][M]) {
  constexpr int kCentre = kBits == 8 ? Arithmetic::kCentre8 : 0;
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) {
    const __m256i factor =
        start_factor(*work.matrix, kBits, work.group, work.first_row + (v + i) * kLanes,
                     work.left(v + i), kCentre);
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) {
      acc[i][t] = _mm256_mullo_epi32(factor, _mm256_set1_epi32(work.sums[t]));
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
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t, totals += kLanes) {
      const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(work.scales[t]));
      const __m256 sum = _mm256_cvtepi32_ps(acc[i][t]);
      _mm256_store_ps(totals, _mm256_fmadd_ps(scale, sum, _mm256_load_ps(totals)));
    }
  }
}

/// Vectors [v, v + V) of the panel.
template <typename Arithmetic, int kBits, bool kWhole, int M, int V>
HEARTH_INLINE void block_vectors(const BlockWork& work, int64_t v, Prefetcher& prefetcher) {
  __m256i mask[V];
#pragma GCC unroll 4
  for (int i = 0; i < V; ++i) mask[i] = lane_mask(work.left(v + i));
  __m256i acc[V][M];
  start_sums<Arithmetic, kBits>(work, v, acc);
  const uint32_t* w = work.weights + v * kLanes;
  const int32_t* a = work.words;
  if constexpr (kBits == 4) {
    for (int64_t r = 0; r < work.word_rows; r += kRowsPerPart) {
      const int64_t left = work.word_rows - r;
      add_w4_rows<Arithmetic, kWhole>(work, w, a, left < kRowsPerPart ? left : kRowsPerPart, mask,
                                      prefetcher, acc);
      w += kRowsPerPart * work.matrix->rows;
      a += kRowsPerPart * 2 * work.tokens;
    }
  } else {
#pragma GCC unroll 4
    for (int64_t r = 0; r < work.word_rows; ++r) {
      add_w8_row<Arithmetic, kWhole>(w, a, mask, prefetcher, acc);
      w += work.matrix->rows;
      a += work.tokens;
    }
  }
  scale_sums(work, v, acc);
}

template <typename Arithmetic, int kBits, int M>
void block_panel(const BlockWork& work, const uint32_t* ahead) {
  // As many accumulators as there are registers for; two vectors at least, a whole cache line of
  // each word row: rows are a multiple of 4096 bytes apart and evict each other.
  constexpr int V = M == 2 ? 4 : 2;
  const int64_t vectors = (work.panel_rows + kLanes - 1) / kLanes;
  Prefetcher prefetcher{ahead, 0, vectors, work.matrix->rows};
  int64_t v = 0;
  for (; (v + V) * kLanes <= work.panel_rows; v += V) {
    block_vectors<Arithmetic, kBits, true, M, V>(work, v, prefetcher);
  }
  for (; v < vectors; ++v) {
    block_vectors<Arithmetic, kBits, false, M, 1>(work, v, prefetcher);
  }
}

/// All inputs of the panel of `rows` rows that begins at first_row, for M tokens from `token` on.
template <typename Arithmetic, int kBits, int M>
void tile_product(const QuantizedMatrix& matrix, int64_t first_row, int64_t rows,
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
    block_panel<Arithmetic, kBits, M>(work, ahead);
  }
  for (int64_t v = 0; v < vectors; ++v) {
    for (int t = 0; t < M; ++t) {
      store_floats(y + t * y_stride + v * kLanes, _mm256_load_ps(totals + (v * M + t) * kLanes),
                   rows - v * kLanes);
    }
  }
}

/// `count` tokens from `token` on, at most Arithmetic::kTileTokens.
template <typename Arithmetic, int kBits, int M = Arithmetic::kTileTokens>
void tile_tokens(const QuantizedMatrix& matrix, int64_t first_row, int64_t rows,
                 const ActivationTile& input, int token, int count, float* y, int64_t y_stride) {
  if (count == M) {
    tile_product<Arithmetic, kBits, M>(matrix, first_row, rows, input, token, y, y_stride);
  } else if constexpr (M > 2) {
    tile_tokens<Arithmetic, kBits, M - 1>(matrix, first_row, rows, input, token, count, y,
                                          y_stride);
  }
}

template <typename Arithmetic, int kBits>
void one_token(const QuantizedMatrix& matrix, int64_t first_row, int64_t rows, bool first,
               bool last, const ActivationTile& input, int token, float* y) {
  Stream s;
  s.matrix = &matrix;
  s.first_row = first_row;
  s.rows = rows;
  s.weights = static_cast<const uint32_t*>(matrix.weights) + first_row;
  s.next = last ? nullptr : s.weights + rows;
  if (first) prefetch_first<kBits>(s);
  stream_product<Arithmetic, kBits>(s, input, token);
  for (int64_t v = 0; v < s.vectors(); ++v) {
    store_floats(y + v * kLanes, _mm256_load_ps(s.totals + v * kLanes), s.left(v));
  }
}

template <typename Arithmetic, int kBits>
void product_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                  const ActivationTile& input, const ProductOutput& output) {
  constexpr int64_t kPanelRows = kPanelVectors * kLanes;
  const int tiles = (input.tokens + Arithmetic::kTileTokens - 1) / Arithmetic::kTileTokens;
  for (int64_t n = row_begin; n < row_end; n += kPanelRows) {
    const int64_t rows = row_end - n < kPanelRows ? row_end - n : kPanelRows;
    for (int i = 0; i < tiles; ++i) {  // of even size
      const int token = input.tokens * i / tiles;
      const int count = input.tokens * (i + 1) / tiles - token;
      float* y = output.values + token * output.stride + n - row_begin;
      if (count == 1) {
        one_token<Arithmetic, kBits>(matrix, n, rows, n == row_begin, n + rows >= row_end, input,
                                     token, y);
      } else {
        tile_tokens<Arithmetic, kBits>(matrix, n, rows, input, token, count, y, output.stride);
      }
    }
  }
}

}  // namespace
}  // namespace hearth::avx2
