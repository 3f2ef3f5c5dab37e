// Softmax attention of one token over one block of cached tokens (online softmax).
//
//   keys, values   [token][head_dim], of one KV head
//   q              [head][head_dim], the H heads that share it (8, or 4 where there are fewer)
//   scores         [token][H]: one register holds T = 16/H tokens of all heads
//
// Scores: a tile of T tokens × H heads in 16 registers goes through head_dim 16 values at a time;
// one transposing sum turns the 16 registers into one register of scores. Softmax then needs no
// loop over heads. Output: H heads × T registers of head_dim, token by token. So each key and value
// is loaded (and widened) once for all heads. Where tokens or heads run out, the last one is
// computed again in their place and not stored: no second shape of the loops.
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

struct F32Rows {
  using Element = float;
  static HEARTH_INLINE __m512 load(const float* row, __mmask16 lanes) {
    return _mm512_maskz_loadu_ps(lanes, row);
  }
};

struct Bf16Rows {
  using Element = uint16_t;
  static HEARTH_INLINE __m512 load(const uint16_t* row, __mmask16 lanes) {
    return bf16_to_float(_mm256_maskz_loadu_epi16(lanes, row));
  }
};

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// Heads [first, first + count) of a block, at most H.
struct HeadGroup {
  const AttentionBlock* block = nullptr;
  int64_t first = 0;
  int64_t count = 0;

  int64_t head(int64_t i) const { return first + smaller(i, count - 1); }
};

/// The scores of tokens t … t+T−1, as [T][H].
template <typename Rows, int H>
HEARTH_INLINE __m512 score_tokens(const AttentionBlock& block, const float* const (&q)[H],
                                  int64_t t) {
  constexpr int T = 16 / H;
  const auto* keys = static_cast<const typename Rows::Element*>(block.keys);
  const typename Rows::Element* rows[T];
#pragma GCC unroll 4
  for (int i = 0; i < T; ++i) rows[i] = keys + smaller(t + i, block.tokens - 1) * block.head_dim;
  __m512 sums[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t d = 0; d < block.head_dim; d += kLanes) {
    const __mmask16 lanes = first_lanes(block.head_dim - d);
    __m512 key[T];
#pragma GCC unroll 4
    for (int i = 0; i < T; ++i) key[i] = Rows::load(rows[i] + d, lanes);
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
  const AttentionBlock& block = *group.block;
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
template <typename Rows, int H>
HEARTH_INLINE void mix_values(const HeadGroup& group, const float* weights, const float* rescale,
                              int64_t d) {
  constexpr int T = 16 / H;
  const AttentionBlock& block = *group.block;
  const auto* values = static_cast<const typename Rows::Element*>(block.values) + d;
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
      value[j] = Rows::load(values + t * block.head_dim + j * kLanes, lanes[j]);
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

template <typename Rows, int H>
void attend_heads(const AttentionBlock& block) {
  constexpr int T = 16 / H;
  alignas(64) float scores[kKvPageTokens * H];
  alignas(64) float rescale[16];
  for (int64_t first = 0; first < block.heads; first += H) {
    const HeadGroup group{&block, first, smaller(H, block.heads - first)};
    const float* q[H];
    for (int h = 0; h < H; ++h) q[h] = block.q + group.head(h) * block.q_stride;
    for (int64_t t = 0; t < block.tokens; t += T) {
      const __m512 none = _mm512_set1_ps(-__builtin_inff());
      const __mmask16 present = first_lanes((block.tokens - t) * H);
      const __m512 tile = score_tokens<Rows, H>(block, q, t);
      _mm512_store_ps(scores + t * H, _mm512_mask_mov_ps(none, present, tile));
    }
    _mm512_store_ps(rescale, weigh_tokens<H>(group, scores));
    for (int64_t d = 0; d < block.head_dim; d += T * kLanes) {
      mix_values<Rows, H>(group, scores, rescale, d);
    }
  }
}

template <typename Rows>
void attend_rows(const AttentionBlock& block) {
  if (block.heads > 4) {
    attend_heads<Rows, 8>(block);
  } else {
    attend_heads<Rows, 4>(block);
  }
}

}  // namespace

void attend(const AttentionBlock& block) {
  if (block.kv_type == KvType::kF32) {
    attend_rows<F32Rows>(block);
  } else {
    attend_rows<Bf16Rows>(block);
  }
}

}  // namespace hearth::avx512
