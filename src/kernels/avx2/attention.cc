// Attention of one token over one block of cached tokens, four query heads at a time: each key and
// value vector is loaded (and widened) once for the four.
#include <math.h>

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

constexpr int kHeads = 4;

struct KvF32 {
  using Element = float;
  static __m256 load(const float* p, int64_t left) { return load_floats(p, left); }
};

struct KvBf16 {
  using Element = uint16_t;
  static __m256 load(const uint16_t* p, int64_t left) { return widen_bf16(load_halves(p, left)); }
};

/// scores[h][t] = q_h · k_t
template <typename Kv, int H>
void score(const AttentionBlock& block, int64_t head, float (*scores)[kKvPageTokens]) {
  const auto* keys = static_cast<const typename Kv::Element*>(block.keys);
  const float* q = block.q + head * block.q_stride;
  for (int64_t t = 0; t < block.tokens; ++t, keys += block.head_dim) {
    __m256 sums[H];
    for (int h = 0; h < H; ++h) sums[h] = _mm256_setzero_ps();
    for (int64_t d = 0; d < block.head_dim; d += kLanes) {
      const int64_t left = block.head_dim - d;
      const __m256 key = Kv::load(keys + d, left);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        sums[h] = _mm256_fmadd_ps(key, load_floats(q + h * block.q_stride + d, left), sums[h]);
      }
    }
    for (int h = 0; h < H; ++h) scores[h][t] = reduce_add(sums[h]);
  }
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

/// output_h = rescale_h · output_h + Σ_t weights[h][t] · v_t
template <typename Kv, int H>
void mix(const AttentionBlock& block, int64_t head, const float (*weights)[kKvPageTokens],
         const float* rescale) {
  float* output = block.output + head * block.head_dim;
  for (int64_t d = 0; d < block.head_dim; d += kLanes) {
    const int64_t left = block.head_dim - d;
    const auto* values = static_cast<const typename Kv::Element*>(block.values) + d;
    __m256 sums[H];
    for (int h = 0; h < H; ++h) {
      sums[h] = _mm256_mul_ps(_mm256_set1_ps(rescale[h]),
                              load_floats(output + h * block.head_dim + d, left));
    }
    for (int64_t t = 0; t < block.tokens; ++t, values += block.head_dim) {
      const __m256 value = Kv::load(values, left);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        sums[h] = _mm256_fmadd_ps(_mm256_set1_ps(weights[h][t]), value, sums[h]);
      }
    }
    for (int h = 0; h < H; ++h) store_floats(output + h * block.head_dim + d, sums[h], left);
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
