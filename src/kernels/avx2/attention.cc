// Softmax attention over one page of cached tokens (online softmax): float pages here, token by
// token; bf16 pages in kernels/page_attention.h.
//
//   keys, values   [token][head_dim], of one KV head
//   q, output      [head][head_dim], four heads at a time
//
//   scores         4 heads × 2 tokens, a register of partial sums each: head_dim 8 values at a time
//   output         4 heads × 2 registers of head_dim: token by token
//
// Each key and value vector is loaded once for the four heads.
#include <math.h>

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"
#include "kernels/page_attention.h"

namespace hearth::avx2 {
namespace {

constexpr int kHeads = 4;

/// One query of a block, and the tokens that it sees.
struct Query {
  int64_t tokens = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  const float* q = nullptr;  // [heads][head_dim]
  const float* keys = nullptr;
  const float* values = nullptr;
  float* maxima = nullptr;
  float* sums = nullptr;
  float* output = nullptr;
};

/// scores[h][t + i] = q_h · k_(t + i) for H heads and T tokens.
template <int H, int T>
HEARTH_INLINE void score_tokens(const Query& block, const float* q, int64_t t,
                                float (*scores)[kKvPageTokens]) {
  const float* keys = block.keys + t * block.head_dim;
  __m256 sums[H][T];
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < T; ++i) sums[h][i] = _mm256_setzero_ps();
  }
  const auto add = [&](int64_t d, int64_t left) __attribute__((always_inline)) {
    __m256 key[T];
#pragma GCC unroll 4
    for (int i = 0; i < T; ++i) key[i] = load_floats(keys + i * block.head_dim + d, left);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
      const __m256 query = load_floats(q + h * block.head_dim + d, left);
#pragma GCC unroll 4
      for (int i = 0; i < T; ++i) sums[h][i] = _mm256_fmadd_ps(key[i], query, sums[h][i]);
    }
  };
  int64_t d = 0;
  for (; d + kLanes <= block.head_dim; d += kLanes) add(d, kLanes);
  if (d < block.head_dim) add(d, block.head_dim - d);
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < T; ++i) scores[h][t + i] = reduce_add(sums[h][i]);
  }
}

template <int H>
void score(const Query& block, int64_t head, float (*scores)[kKvPageTokens]) {
  const float* q = block.q + head * block.head_dim;
  int64_t t = 0;
  for (; t + 2 <= block.tokens; t += 2) score_tokens<H, 2>(block, q, t, scores);
  if (t < block.tokens) score_tokens<H, 1>(block, q, t, scores);
}

/// Turns a head's scores into weights relative to its running maximum and brings its sum up to
/// date; returns the factor by which what was summed before must shrink.
float soften(float* scores, int64_t tokens, float& maximum, float& sum) {
  float largest = maximum;
  for (int64_t t = 0; t < tokens; ++t) largest = scores[t] > largest ? scores[t] : largest;
  const float rescale = expf(maximum - largest);
  __m256 total = _mm256_setzero_ps();
  for (int64_t t = 0; t < tokens; t += kLanes) {
    const int64_t left = tokens - t;
    const __m256 shifted = _mm256_sub_ps(load_floats(scores + t, left), _mm256_set1_ps(largest));
    const __m256 weight = _mm256_and_ps(exp(shifted), _mm256_castsi256_ps(lane_mask(left)));
    store_floats(scores + t, weight, left);
    total = _mm256_add_ps(total, weight);
  }
  sum = sum * rescale + reduce_add(total);
  maximum = largest;
  return rescale;
}

/// output_h = rescale_h · output_h + Σ_t weights[h][t] · v_t for D vectors of head_dim from d on,
/// of `left` values each.
template <int H, int D>
HEARTH_INLINE void mix_vectors(const Query& block, float* output, int64_t d, int64_t left,
                               const float (*weights)[kKvPageTokens], const float* rescale) {
  const float* values = block.values + d;
  __m256 sums[H][D];
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < D; ++i) {
      const __m256 before = load_floats(output + h * block.head_dim + d + i * kLanes, left);
      sums[h][i] = _mm256_mul_ps(_mm256_set1_ps(rescale[h]), before);
    }
  }
  for (int64_t t = 0; t < block.tokens; ++t, values += block.head_dim) {
    __m256 value[D];
#pragma GCC unroll 4
    for (int i = 0; i < D; ++i) value[i] = load_floats(values + i * kLanes, left);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
      const __m256 weight = _mm256_broadcast_ss(&weights[h][t]);
#pragma GCC unroll 4
      for (int i = 0; i < D; ++i) sums[h][i] = _mm256_fmadd_ps(weight, value[i], sums[h][i]);
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < D; ++i) {
      store_floats(output + h * block.head_dim + d + i * kLanes, sums[h][i], left);
    }
  }
}

template <int H>
void mix(const Query& block, int64_t head, const float (*weights)[kKvPageTokens],
         const float* rescale) {
  float* output = block.output + head * block.head_dim;
  int64_t d = 0;
  for (; d + 2 * kLanes <= block.head_dim; d += 2 * kLanes) {
    mix_vectors<H, 2>(block, output, d, kLanes, weights, rescale);
  }
  for (; d < block.head_dim; d += kLanes) {
    mix_vectors<H, 1>(block, output, d, lanes_left(block.head_dim - d), weights, rescale);
  }
}

template <int H>
void attend_heads(const Query& block, int64_t head) {
  float scores[H][kKvPageTokens];
  float rescale[H];
  score<H>(block, head, scores);
  for (int h = 0; h < H; ++h) {
    rescale[h] = soften(scores[h], block.tokens, block.maxima[head + h], block.sums[head + h]);
  }
  mix<H>(block, head, scores, rescale);
}

void attend_all(const Query& block) {
  int64_t head = 0;
  for (; head + kHeads <= block.heads; head += kHeads) attend_heads<kHeads>(block, head);
  for (; head < block.heads; ++head) attend_heads<1>(block, head);
}

struct Vectors {
  static constexpr int kLanes = 8;
  static constexpr int kRows = 4;
  static constexpr int kColumns = 2;
  using Float = __m256;
  struct Words {
    __m256 even;
    __m256 odd;
  };
  using Pair = Words;

  static HEARTH_INLINE Words widen(__m256i pairs) {
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xFFFF0000u));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(pairs, high))};
  }
  static HEARTH_INLINE Words load(const uint16_t* pairs) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs)));
  }
  static HEARTH_INLINE Words load_part(const uint16_t* pairs, int64_t left) {
    return widen(load_words(reinterpret_cast<const uint32_t*>(pairs), left));
  }
  static HEARTH_INLINE Pair broadcast(const uint16_t* pair) {
    int32_t word;
    __builtin_memcpy(&word, pair, sizeof word);
    return widen(_mm256_set1_epi32(word));
  }
  static HEARTH_INLINE void dot(Float& sum, Words words, Pair pair) {
    sum = _mm256_fmadd_ps(words.even, pair.even, sum);
    sum = _mm256_fmadd_ps(words.odd, pair.odd, sum);
  }

  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return avx2::load_floats(p, left);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    avx2::store_floats(p, v, left);
  }
  static HEARTH_INLINE Float zero() { return _mm256_setzero_ps(); }
  static HEARTH_INLINE Float all(float value) { return _mm256_set1_ps(value); }
  static HEARTH_INLINE Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static HEARTH_INLINE Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static HEARTH_INLINE Float larger(Float a, Float b) { return _mm256_max_ps(a, b); }
  static HEARTH_INLINE Float keep_first(Float v, int64_t left, Float other) {
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(lane_mask(left < 0 ? 0 : left)));
  }
  static HEARTH_INLINE Float exponential(Float v) { return exp(v); }
  static HEARTH_INLINE float largest_lane(Float v) { return reduce_max(v); }
  static HEARTH_INLINE float sum_lanes(Float v) { return reduce_add(v); }
  static HEARTH_INLINE Float round_to_bf16(Float v, uint16_t* target) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i halves = _mm256_srli_epi32(up, 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target), narrow(halves));
    return _mm256_castsi256_ps(_mm256_slli_epi32(halves, 16));
  }
  /// Lanes of at most 16 bits each.
  static HEARTH_INLINE __m128i narrow(__m256i lanes) {
    return _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  }
};

}  // namespace

void attend_f32(const AttentionBlock& block) {
  const int64_t heads = block.heads;
  for (int64_t i = 0; i < block.queries; ++i) {
    const int64_t values = i * heads * block.head_dim;
    const int64_t visible = block.visible + i;
    attend_all({visible < kKvPageTokens ? visible : kKvPageTokens, heads, block.head_dim,
                static_cast<const float*>(block.q) + values, static_cast<const float*>(block.keys),
                static_cast<const float*>(block.values), block.maxima + i * heads,
                block.sums + i * heads, block.output + values});
  }
}

void attend_bf16(const AttentionBlock& block) { PageAttention<Vectors>{}(block); }

void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i));
    const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    const __m256i bits = _mm256_srli_epi32(_mm256_castps_si256(wide), 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves + i), Vectors::narrow(bits));
  }
  for (; i < count; ++i) {
    const float wide = codes[i];
    uint32_t bits;
    __builtin_memcpy(&bits, &wide, sizeof bits);
    halves[i] = static_cast<uint16_t>(bits >> 16);
  }
}

}  // namespace hearth::avx2
