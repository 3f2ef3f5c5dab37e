// Attention of one token over one block of cached tokens, four query heads at a time: each key and
// value vector is loaded (and widened) once for the four.
#include <math.h>

#include "kernels/avx512/kernels.h"
#include "kernels/avx512/simd.h"

namespace hearth::avx512 {
namespace {

constexpr int kHeads = 4;

struct KvF32 {
  using Element = float;
  static __m512 load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
};

struct KvBf16 {
  using Element = uint16_t;
  static __m512 load(const uint16_t* p, __mmask16 mask) {
    return widen_bf16(_mm256_maskz_loadu_epi16(mask, p));
  }
};

/// scores[h][t] = q_h · k_t
template <typename Kv, int H>
void score(const AttentionBlock& block, int64_t head, float (*scores)[kKvPageTokens]) {
  const auto* keys = static_cast<const typename Kv::Element*>(block.keys);
  const float* q = block.q + head * block.q_stride;
  for (int64_t t = 0; t < block.tokens; ++t, keys += block.head_dim) {
    __m512 sums[H];
    for (int h = 0; h < H; ++h) sums[h] = _mm512_setzero_ps();
    for (int64_t d = 0; d < block.head_dim; d += kLanes) {
      const __mmask16 mask = lane_mask(block.head_dim - d);
      const __m512 key = Kv::load(keys + d, mask);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        const __m512 query = _mm512_maskz_loadu_ps(mask, q + h * block.q_stride + d);
        sums[h] = _mm512_fmadd_ps(key, query, sums[h]);
      }
    }
    for (int h = 0; h < H; ++h) scores[h][t] = _mm512_reduce_add_ps(sums[h]);
  }
}

/// Turns a head's scores into weights relative to its running maximum and brings its sum up to
/// date; returns the factor by which what was summed before must shrink.
float soften(float* scores, int64_t tokens, float& maximum, float& sum) {
  __m512 peak = _mm512_set1_ps(maximum);
  for (int64_t t = 0; t < tokens; t += kLanes) {
    const __mmask16 mask = lane_mask(tokens - t);
    peak = _mm512_mask_max_ps(peak, mask, peak, _mm512_maskz_loadu_ps(mask, scores + t));
  }
  const float largest = _mm512_reduce_max_ps(peak);
  const float rescale = expf(maximum - largest);
  __m512 total = _mm512_setzero_ps();
  for (int64_t t = 0; t < tokens; t += kLanes) {
    const __mmask16 mask = lane_mask(tokens - t);
    const __m512 shifted =
        _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, scores + t), _mm512_set1_ps(largest));
    const __m512 weight = _mm512_maskz_mov_ps(mask, exp(shifted));
    _mm512_mask_storeu_ps(scores + t, mask, weight);
    total = _mm512_add_ps(total, weight);
  }
  sum = sum * rescale + _mm512_reduce_add_ps(total);
  maximum = largest;
  return rescale;
}

/// output_h = rescale_h · output_h + Σ_t weights[h][t] · v_t
template <typename Kv, int H>
void mix(const AttentionBlock& block, int64_t head, const float (*weights)[kKvPageTokens],
         const float* rescale) {
  float* output = block.output + head * block.head_dim;
  for (int64_t d = 0; d < block.head_dim; d += kLanes) {
    const __mmask16 mask = lane_mask(block.head_dim - d);
    const auto* values = static_cast<const typename Kv::Element*>(block.values) + d;
    __m512 sums[H];
    for (int h = 0; h < H; ++h) {
      sums[h] = _mm512_mul_ps(_mm512_set1_ps(rescale[h]),
                              _mm512_maskz_loadu_ps(mask, output + h * block.head_dim + d));
    }
    for (int64_t t = 0; t < block.tokens; ++t, values += block.head_dim) {
      const __m512 value = Kv::load(values, mask);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        sums[h] = _mm512_fmadd_ps(_mm512_set1_ps(weights[h][t]), value, sums[h]);
      }
    }
    for (int h = 0; h < H; ++h) {
      _mm512_mask_storeu_ps(output + h * block.head_dim + d, mask, sums[h]);
    }
  }
}

template <typename Kv, int H>
void attend_heads(const AttentionBlock& block, int64_t head) {
  float scores[H][kKvPageTokens];
  float rescale[H];
  score<Kv, H>(block, head, scores);
  for (int h = 0; h < H; ++h) {
    rescale[h] =
        soften(scores[h], block.tokens, block.maxima[head + h], block.sums[head + h]);
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

}  // namespace hearth::avx512
