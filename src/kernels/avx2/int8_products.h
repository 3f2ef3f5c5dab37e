// Packed weights times int8 activations on registers of 8 lanes, for every instruction set that has
// them (int8_panels.h draws the layout). `Arithmetic` says how four products of a lane are formed
// and summed:
//
//   kCentre8                      what it subtracts from the codes of w8
//   kTileTokens                   tokens whose sums fit its registers
//   begin, add, end               sums of up to kRowsPerPart rows of w4 words, added to `sum`
//   Codes, prepare, add_codes     one row of w8 words, added to `sum`
//
// One token is bound by memory and goes along the word rows, four of them at a time, its integer
// sums in the first-level cache: long pieces, one after the other, are what memory and prefetchers
// like. Later words are asked for in time, since rows of words lie pages apart, which no processor
// prefetches across. More tokens are bound by arithmetic and take the tiles of int8_panels.h.
#pragma once

#include "kernels/avx2/simd.h"
#include "kernels/int8_panels.h"

namespace hearth::avx2 {
namespace {

/// Rows of a panel, in vectors: 2 KiB of each word row.
constexpr int64_t kPanelVectors = 64;
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

/// −z of the start value −z·Σa of a sum, z less what is subtracted from the codes.
template <typename Arithmetic, int kBits>
HEARTH_INLINE __m256i start_factor(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                   int64_t left) {
  constexpr int kCentre = kBits == 8 ? Arithmetic::kCentre8 : 0;
  return _mm256_sub_epi32(_mm256_set1_epi32(kCentre), load_zeros(matrix, kBits, group, n, left));
}

/// totals += scale of the weights · scale of the activations · sum.
HEARTH_INLINE void add_scaled(float* totals, __m256 scales, float scale, __m256i sum) {
  _mm256_store_ps(totals, _mm256_fmadd_ps(_mm256_mul_ps(scales, _mm256_set1_ps(scale)),
                                          _mm256_cvtepi32_ps(sum), _mm256_load_ps(totals)));
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
  const __m256i factor =
      start_factor<Arithmetic, kBits>(*s.matrix, block.group, s.first_row + v * kLanes, s.left(v));
  return _mm256_mullo_epi32(factor, _mm256_set1_epi32(block.sum));
}

HEARTH_INLINE void scale_vector(Stream& s, const StreamBlock& block, int64_t v, __m256i sum) {
  const int64_t n = s.first_row + v * kLanes;
  const __m256 scales = load_scales(s.matrix->scales + block.group * s.matrix->rows + n,
                                    s.matrix->scale_type, s.left(v));
  add_scaled(s.totals + v * kLanes, scales, block.scale, sum);
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

using Prefetcher = PanelPrefetcher<kLanes, 2>;

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

/// What int8_panels.h needs.
template <typename Arithmetic>
struct Int8Vectors {
  static constexpr int64_t kLanes = avx2::kLanes;
  static constexpr int64_t kPanelVectors = avx2::kPanelVectors;
  static constexpr int kTileTokens = Arithmetic::kTileTokens;
  using Float = __m256;
  using Ints = __m256i;

  /// As many accumulators as there are registers for; two vectors at least, a whole cache line of
  /// each word row: rows are a multiple of 4096 bytes apart and evict each other.
  static constexpr int tile_vectors(int tokens) { return tokens == 2 ? 4 : 2; }

  template <int kBits>
  static HEARTH_INLINE Ints start_factor(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                         int64_t left) {
    return avx2::start_factor<Arithmetic, kBits>(matrix, group, n, left);
  }
  static HEARTH_INLINE Ints multiply(Ints v, int32_t x) {
    return _mm256_mullo_epi32(v, _mm256_set1_epi32(x));
  }
  static HEARTH_INLINE Float load_scales(const uint16_t* p, ScaleType type, int64_t left) {
    return avx2::load_scales(p, type, left);
  }
  static HEARTH_INLINE void add_scaled(float* totals, Float scales, float scale, Ints sum) {
    avx2::add_scaled(totals, scales, scale, sum);
  }
  static HEARTH_INLINE void store(float* y, const float* totals, int64_t left) {
    store_floats(y, _mm256_load_ps(totals), left);
  }

  template <int kBits, bool kWhole, int V, int M>
  static HEARTH_INLINE void add_block(const BlockWork& work, int64_t v, int64_t left,
                                      Prefetcher& prefetcher, Ints (&acc)[V][M]) {
    __m256i mask[V];
#pragma GCC unroll 4
    for (int i = 0; i < V; ++i) mask[i] = lane_mask(left - i * kLanes);
    const uint32_t* w = work.weights + v * kLanes;
    const int32_t* a = work.words;
    if constexpr (kBits == 4) {
      for (int64_t r = 0; r < work.word_rows; r += kRowsPerPart) {
        const int64_t rows = work.word_rows - r;
        add_w4_rows<Arithmetic, kWhole>(work, w, a, rows < kRowsPerPart ? rows : kRowsPerPart, mask,
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
  }

  static constexpr bool kStreams = true;
  template <int kBits>
  static void stream(const Panel& panel, const ActivationTile& input, int token, float* y) {
    Stream s;
    s.matrix = panel.matrix;
    s.first_row = panel.first_row;
    s.rows = panel.rows;
    s.weights = static_cast<const uint32_t*>(panel.matrix->weights) + panel.first_row;
    s.next = panel.is_last ? nullptr : s.weights + panel.rows;
    if (panel.is_first) prefetch_first<kBits>(s);
    stream_product<Arithmetic, kBits>(s, input, token);
    for (int64_t v = 0; v < s.vectors(); ++v) {
      store(y + v * kLanes, s.totals + v * kLanes, s.left(v));
    }
  }
};

}  // namespace
}  // namespace hearth::avx2
