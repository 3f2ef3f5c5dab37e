// Softmax attention over one page of cached tokens (online softmax): float pages here, token by
// token; bf16 pages in kernels/page_attention.h.
//
//   keys, values   [token][head_dim], of one KV head
//   q              [head][head_dim], the H heads that share it (8, or 4 where there are fewer)
//   scores         [token][H]: one register holds T = 16/H tokens of all heads
//
// Scores: a tile of T tokens × H heads in 16 registers goes through head_dim 16 values at a time;
// one transposing sum turns the 16 registers into one register of scores. Softmax then needs no
// loop over heads. Output: H heads × T registers of head_dim, token by token. So each key and value
// is loaded once for all heads. Where tokens or heads run out, the last one is
// computed again in their place and not stored: no second shape of the loops.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vector.h"
#include "kernels/page_attention.h"

namespace hearth::avx512 {
namespace {

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

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

/// Heads [first, first + count) of a query, at most H.
struct HeadGroup {
  const Query* block = nullptr;
  int64_t first = 0;
  int64_t count = 0;

  int64_t head(int64_t i) const { return first + smaller(i, count - 1); }
};

/// The scores of tokens t … t+T−1, as [T][H].
template <int H>
HEARTH_INLINE __m512 score_tokens(const Query& block, const float* const (&q)[H], int64_t t) {
  constexpr int T = 16 / H;
  const float* rows[T];
#pragma GCC unroll 4
  for (int i = 0; i < T; ++i)
    rows[i] = block.keys + smaller(t + i, block.tokens - 1) * block.head_dim;
  __m512 sums[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t d = 0; d < block.head_dim; d += kLanes) {
    const __mmask16 lanes = first_lanes(block.head_dim - d);
    __m512 key[T];
#pragma GCC unroll 4
    for (int i = 0; i < T; ++i) key[i] = _mm512_maskz_loadu_ps(lanes, rows[i] + d);
#pragma GCC unroll 8
    for (int h = 0; h < H; ++h) {
      const __m512 query = _mm512_maskz_loadu_ps(lanes, q[h] + d);
#pragma GCC unroll 4
      for (int i = 0; i < T; ++i) {
        sums[i * H + h] = _mm512_fmadd_ps(key[i], query, sums[i * H + h]);
      }
    }
  }
  return sum_lanes_of(sums);
}

/// Combines the T groups of H lanes, so that each has the result for its head in all of them.
template <int H, typename Combine>
HEARTH_INLINE __m512 over_tokens(__m512 v, const Combine& combine) {
  v = combine(v, _mm512_shuffle_f32x4(v, v, 0x4E));
  return H == 8 ? v : combine(v, _mm512_shuffle_f32x4(v, v, 0xB1));
}

/// values [head] of the group, repeated for each of the T groups of lanes.
template <int H>
HEARTH_INLINE __m512 load_heads(const HeadGroup& group, const float* values) {
  alignas(64) float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = values[group.head(i % H)];
  return _mm512_load_ps(lanes);
}

/// Turns scores into weights e^(score − maximum) and carries maxima and sums on. Returns by how
/// much that scales what was summed up before, per head.
template <int H>
HEARTH_INLINE __m512 weigh_tokens(const HeadGroup& group, float* scores) {
  constexpr int T = 16 / H;
  const Query& block = *group.block;
  const __m512 before = load_heads<H>(group, block.maxima);
  __m512 maximum = before;
  for (int64_t t = 0; t < block.tokens; t += T) {
    maximum = _mm512_max_ps(maximum, _mm512_load_ps(scores + t * H));
  }
  maximum = over_tokens<H>(maximum, [](__m512 a, __m512 b) { return _mm512_max_ps(a, b); });
  __m512 sum = _mm512_setzero_ps();
  for (int64_t t = 0; t < block.tokens; t += T) {
    const __m512 weight = exp_ps(_mm512_sub_ps(_mm512_load_ps(scores + t * H), maximum));
    _mm512_store_ps(scores + t * H, weight);
    sum = _mm512_add_ps(sum, weight);
  }
  sum = over_tokens<H>(sum, [](__m512 a, __m512 b) { return _mm512_add_ps(a, b); });
  const __m512 rescale = exp_ps(_mm512_sub_ps(before, maximum));  // 0 in the first block
  sum = _mm512_fmadd_ps(load_heads<H>(group, block.sums), rescale, sum);
  const __mmask16 heads = first_lanes(group.count);
  _mm512_mask_storeu_ps(block.maxima + group.first, heads, maximum);
  _mm512_mask_storeu_ps(block.sums + group.first, heads, sum);
  return rescale;
}

/// output ← rescale·output + Σ_t weight·value, for values [d, d + T·16) of head_dim.
template <int H>
HEARTH_INLINE void mix_values(const HeadGroup& group, const float* weights, const float* rescale,
                              int64_t d) {
  constexpr int T = 16 / H;
  const Query& block = *group.block;
  const float* values = block.values + d;
  __mmask16 lanes[T];
  __m512 mixed[H][T];
#pragma GCC unroll 4
  for (int j = 0; j < T; ++j) {
    const int64_t left = block.head_dim - d - j * kLanes;
    lanes[j] = first_lanes(left < 0 ? 0 : left);
#pragma GCC unroll 8
    for (int h = 0; h < H; ++h) {
      const float* output = block.output + group.head(h) * block.head_dim + d + j * kLanes;
      mixed[h][j] =
          _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes[j], output), _mm512_set1_ps(rescale[h]));
    }
  }
  for (int64_t t = 0; t < block.tokens; ++t) {
    __m512 value[T];
#pragma GCC unroll 4
    for (int j = 0; j < T; ++j) {
      value[j] = _mm512_maskz_loadu_ps(lanes[j], values + t * block.head_dim + j * kLanes);
    }
#pragma GCC unroll 8
    for (int h = 0; h < H; ++h) {
      const __m512 weight = _mm512_set1_ps(weights[t * H + h]);
#pragma GCC unroll 4
      for (int j = 0; j < T; ++j) mixed[h][j] = _mm512_fmadd_ps(weight, value[j], mixed[h][j]);
    }
  }
#pragma GCC unroll 8
  for (int h = 0; h < H; ++h) {
    if (h >= group.count) break;
#pragma GCC unroll 4
    for (int j = 0; j < T; ++j) {
      float* output = block.output + (group.first + h) * block.head_dim + d + j * kLanes;
      _mm512_mask_storeu_ps(output, lanes[j], mixed[h][j]);
    }
  }
}

template <int H>
void attend_heads(const Query& block) {
  constexpr int T = 16 / H;
  alignas(64) float scores[kKvPageTokens * H];
  alignas(64) float rescale[16];
  for (int64_t first = 0; first < block.heads; first += H) {
    const HeadGroup group{&block, first, smaller(H, block.heads - first)};
    const float* q[H];
    for (int h = 0; h < H; ++h) q[h] = block.q + group.head(h) * block.head_dim;
    for (int64_t t = 0; t < block.tokens; t += T) {
      const __m512 none = _mm512_set1_ps(-__builtin_inff());
      const __mmask16 present = first_lanes((block.tokens - t) * H);
      const __m512 tile = score_tokens<H>(block, q, t);
      _mm512_store_ps(scores + t * H, _mm512_mask_mov_ps(none, present, tile));
    }
    _mm512_store_ps(rescale, weigh_tokens<H>(group, scores));
    for (int64_t d = 0; d < block.head_dim; d += T * kLanes) {
      mix_values<H>(group, scores, rescale, d);
    }
  }
}

struct Vectors {
  static constexpr int kLanes = 16;
  static constexpr int kRows = 4;
  static constexpr int kColumns = 4;
  using Float = __m512;
  struct Words {
    __m512 even;
    __m512 odd;
  };
  using Pair = Words;

  static HEARTH_INLINE Words widen(__m512i pairs) {
    const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000u));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(pairs, high))};
  }
  static HEARTH_INLINE Words load(const uint16_t* pairs) {
    return widen(_mm512_loadu_si512(pairs));
  }
  static HEARTH_INLINE Words load_part(const uint16_t* pairs, int64_t left) {
    return widen(_mm512_maskz_loadu_epi32(first_lanes(left), pairs));
  }
  static HEARTH_INLINE Pair broadcast(const uint16_t* pair) {
    int32_t word;
    __builtin_memcpy(&word, pair, sizeof word);
    return widen(_mm512_set1_epi32(word));
  }
  static HEARTH_INLINE void dot(Float& sum, Words words, Pair pair) {
    sum = _mm512_fmadd_ps(words.even, pair.even, sum);
    sum = _mm512_fmadd_ps(words.odd, pair.odd, sum);
  }

  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return left >= kLanes ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first_lanes(left), p);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    if (left >= kLanes) _mm512_storeu_ps(p, v);
    else _mm512_mask_storeu_ps(p, first_lanes(left), v);
  }
  static HEARTH_INLINE Float zero() { return _mm512_setzero_ps(); }
  static HEARTH_INLINE Float all(float value) { return _mm512_set1_ps(value); }
  static HEARTH_INLINE Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static HEARTH_INLINE Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static HEARTH_INLINE Float larger(Float a, Float b) { return _mm512_max_ps(a, b); }
  static HEARTH_INLINE Float keep_first(Float v, int64_t left, Float other) {
    const __mmask16 kept = left <= 0 ? __mmask16{0} : first_lanes(left);
    return _mm512_mask_mov_ps(other, kept, v);
  }
  static HEARTH_INLINE Float exponential(Float v) { return exp_ps(v); }
  static HEARTH_INLINE float largest_lane(Float v) { return _mm512_reduce_max_ps(v); }
  static HEARTH_INLINE float sum_lanes(Float v) { return avx512::sum_lanes(v); }
  static HEARTH_INLINE Float round_to_bf16(Float v, uint16_t* target) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), halves);
    return bf16_to_float(halves);
  }
};

}  // namespace

void attend_f32(const AttentionBlock& block) {
  const int64_t heads = block.heads;
  for (int64_t i = 0; i < block.queries; ++i) {
    const int64_t values = i * heads * block.head_dim;
    const Query query{smaller(block.visible + i, kKvPageTokens),
                      heads,
                      block.head_dim,
                      static_cast<const float*>(block.q) + values,
                      static_cast<const float*>(block.keys),
                      static_cast<const float*>(block.values),
                      block.maxima + i * heads,
                      block.sums + i * heads,
                      block.output + values};
    if (heads > 4) attend_heads<8>(query);
    else attend_heads<4>(query);
  }
}

void attend_bf16(const AttentionBlock& block) { PageAttention<Vectors>{}(block); }

void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = first_lanes(count - i);
    const __m512i wide = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, codes + i));
    const __m512i bits = _mm512_castps_si512(_mm512_cvtepi32_ps(wide));
    _mm256_mask_storeu_epi16(halves + i, lanes, _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
  }
}

}  // namespace hearth::avx512
