// Packed weights times int8 activations on registers of 8 lanes, for every instruction set that has
// them (int8_panels.h draws the layout). `Arithmetic` says how four products of a lane are formed
// and summed:
//
//   kCentre8                      what it subtracts from the codes of w8
//   kTileTokens                   tokens whose sums fit its registers
//   begin, add, end               sums of up to kRowsPerPart rows of w4 words, added to `sum`
//   Codes, prepare, add_codes     one row of w8 words, added to `sum`
#pragma once

#include "kernels/avx2/simd.h"
#include "kernels/int8_panels.h"

namespace hearth::avx2 {
namespace {

/// Rows of a panel, in vectors: 2 KiB of each word row.
constexpr int64_t kPanelVectors = 64;
/// Rows of w4 words whose products the 16-bit sums of some sets can hold.
constexpr int64_t kRowsPerPart = 4;

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

/// What int8_panels.h and int8_stream.h need.
template <typename Arithmetic>
struct Int8Vectors {
  static constexpr int64_t kLanes = avx2::kLanes;
  static constexpr int64_t kPanelVectors = avx2::kPanelVectors;
  static constexpr int kTileTokens = Arithmetic::kTileTokens;
  using Float = __m256;
  using Ints = __m256i;

  /// As many accumulators as there are registers for; two vectors at least, a whole cache line of
  /// each word row: rows are a multiple of 4096 bytes apart and evict each other.
  static constexpr int tile_vectors(int tokens) { return tokens <= 2 ? 4 : 2; }

  template <int kBits>
  static HEARTH_INLINE Ints start_factor(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                         int64_t left) {
    return avx2::start_factor<Arithmetic, kBits>(matrix, group, n, left);
  }
  static HEARTH_INLINE Ints multiply(Ints v, int32_t x) {
    return _mm256_mullo_epi32(v, _mm256_set1_epi32(x));
  }
  static HEARTH_INLINE Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static HEARTH_INLINE Float load_scales(const uint16_t* p, ScaleType type, int64_t left) {
    return avx2::load_scales(p, type, left);
  }
  static HEARTH_INLINE void add_scaled(float* y, int64_t left, Float scales, float scale,
                                       Ints sum) {
    store_floats(y,
                 _mm256_fmadd_ps(_mm256_mul_ps(scales, _mm256_set1_ps(scale)),
                                 _mm256_cvtepi32_ps(sum), load_floats(y, left)),
                 left);
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

  static HEARTH_INLINE Ints load_ints(const int32_t* p, int64_t left) {
    return load_words(reinterpret_cast<const uint32_t*>(p), left);
  }
  static HEARTH_INLINE void store_ints(int32_t* p, Ints v, int64_t left) {
    if (left >= kLanes) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
    else _mm256_maskstore_epi32(p, lane_mask(left), v);
  }
  using Operand = Ints;
  static HEARTH_INLINE Operand broadcast(int32_t word) { return _mm256_set1_epi32(word); }
  template <int kBits>
  static HEARTH_INLINE Ints add_words(Ints sums, const uint32_t* p, int64_t left,
                                      const Operand* x) {
    const Ints words = load_words(p, left);
    if constexpr (kBits == 8) {
      return Arithmetic::add_codes(sums, Arithmetic::prepare(words), x[0]);
    } else {
      Ints part = Arithmetic::add(Arithmetic::begin(sums), low_codes(words), x[0]);
      part = Arithmetic::add(part, high_codes(words), x[1]);
      return Arithmetic::end(part, sums);
    }
  }
};

}  // namespace
}  // namespace hearth::avx2
