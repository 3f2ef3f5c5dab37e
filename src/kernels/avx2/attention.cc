// Softmax attention of one token over one block of cached tokens (online softmax).
//
//   keys, values   [token][head_dim], of one KV head
//   q, output      [head][head_dim], four heads at a time
//
//   scores         4 heads × 2 tokens, a register of partial sums each: head_dim 8 values at a time
//   output         4 heads × 2 registers of head_dim: token by token
//
// Each key and value vector is loaded (and widened) once for the four heads.
#include <math.h>

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

constexpr int kHeads = 4;

struct KvF32 {
  using Element = float;
  static HEARTH_INLINE __m256 load(const float* p, int64_t left) { return load_floats(p, left); }
};

struct KvBf16 {
  using Element = uint16_t;
  static HEARTH_INLINE __m256 load(const uint16_t* p, int64_t left) {
    return widen_bf16(load_halves(p, left));
  }
};

/// scores[h][t + i] = q_h · k_(t + i) for H heads and T tokens.
template <typename Kv, int H, int T>
HEARTH_INLINE void score_tokens(const AttentionBlock& block, const float* q, int64_t t,
                                float (*scores)[kKvPageTokens]) {
  const auto* keys = static_cast<const typename Kv::Element*>(block.keys) + t * block.head_dim;
  __m256 sums[H][T];
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < T; ++i) sums[h][i] = _mm256_setzero_ps();
  }
  const auto add = [&](int64_t d, int64_t left) __attribute__((always_inline)) {
    __m256 key[T];
#pragma GCC unroll 4
    for (int i = 0; i < T; ++i) key[i] = Kv::load(keys + i * block.head_dim + d, left);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
      const __m256 query = load_floats(q + h * block.q_stride + d, left);
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

template <typename Kv, int H>
void score(const AttentionBlock& block, int64_t head, float (*scores)[kKvPageTokens]) {
  const float* q = block.q + head * block.q_stride;
  int64_t t = 0;
  for (; t + 2 <= block.tokens; t += 2) score_tokens<Kv, H, 2>(block, q, t, scores);
  if (t < block.tokens) score_tokens<Kv, H, 1>(block, q, t, scores);
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
template <typename Kv, int H, int D>
HEARTH_INLINE void mix_vectors(const AttentionBlock& block, float* output, int64_t d, int64_t left,
                               const float (*weights)[kKvPageTokens], const float* rescale) {
  const auto* values = static_cast<const typename Kv::Element*>(block.values) + d;
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
    for (int i = 0; i < D; ++i) value[i] = Kv::load(values + i * kLanes, left);
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

template <typename Kv, int H>
void mix(const AttentionBlock& block, int64_t head, const float (*weights)[kKvPageTokens],
         const float* rescale) {
  float* output = block.output + head * block.head_dim;
  int64_t d = 0;
  for (; d + 2 * kLanes <= block.head_dim; d += 2 * kLanes) {
    mix_vectors<Kv, H, 2>(block, output, d, kLanes, weights, rescale);
  }
  for (; d < block.head_dim; d += kLanes) {
    mix_vectors<Kv, H, 1>(block, output, d, lanes_left(block.head_dim - d), weights, rescale);
  }
}

template <typename Kv, int H>
void attend_heads(const AttentionBlock& block, int64_t head) {
  float scores[H][kKvPageTokens];
  float rescale[H];
  score<Kv, H>(block, head, scores);
  for (int h = 0; h < H; ++h) {
    rescale[h] = soften(scores[h], block.tokens, block.maxima[head + h], block.sums[head + h]);
  }
  mix<Kv, H>(block, head, scores, rescale);
}

template <typename Kv>
void attend_all(const AttentionBlock& block) {
  int64_t head = 0;
  for (; head + kHeads <= block.heads; head += kHeads) attend_heads<Kv, kHeads>(block, head);
  for (; head < block.heads; ++head) attend_heads<Kv, 1>(block, head);
}

}  // namespace

void attend(const AttentionBlock& block) {
  if (block.kv_type == KvType::kF32) attend_all<KvF32>(block);
  else attend_all<KvBf16>(block);
}

}  // namespace hearth::avx2
