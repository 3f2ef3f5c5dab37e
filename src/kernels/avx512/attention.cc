// Softmax attention of one token over one block of cached tokens (online softmax).
//
//   keys     [token][head_dim]       scores: 4 tokens × 4 heads in registers, 16 values of
//   values   [token][head_dim]               head_dim at a time, then one sum over lanes for all
//   q        [head][head_dim]        output: 4 heads × 64 values in registers, token by token
//
// The query heads of a KV head are taken four at a time, so that a loaded key or value serves
// four of them and each load four multiplications. Where tokens or heads run out, the last one is
// computed again in their place and not stored: no second shape of the loop.
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

constexpr int64_t kHeads = 4;   // at once
constexpr int64_t kTokens = 4;  // at once

struct F32Rows {
  using Element = float;
  static __m512 load(const float* row, __mmask16 lanes) {
    return _mm512_maskz_loadu_ps(lanes, row);
  }
};

struct Bf16Rows {
  using Element = uint16_t;
  static __m512 load(const uint16_t* row, __mmask16 lanes) {
    return bf16_to_float(_mm256_maskz_loadu_epi16(lanes, row));
  }
};

/// Up to kHeads heads of a block.
struct HeadGroup {
  const AttentionBlock* block = nullptr;
  int64_t first = 0;
  int64_t count = 0;

  int64_t head(int64_t i) const { return first + (i < count ? i : count - 1); }
};

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// scores[h][t] of all tokens of the block.
template <typename Rows>
void score_tokens(const HeadGroup& group, float (&scores)[kHeads][kKvPageTokens]) {
  const AttentionBlock& block = *group.block;
  const auto* keys = static_cast<const typename Rows::Element*>(block.keys);
  const float* q[kHeads];
  for (int64_t h = 0; h < kHeads; ++h) q[h] = block.q + group.head(h) * block.q_stride;
  for (int64_t t = 0; t < block.tokens; t += kTokens) {
    const typename Rows::Element* rows[kTokens];
    for (int64_t i = 0; i < kTokens; ++i) {
      rows[i] = keys + smaller(t + i, block.tokens - 1) * block.head_dim;
    }
    __m512 sums[kTokens][kHeads];
#pragma GCC unroll 4
    for (int i = 0; i < kTokens; ++i) {
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) sums[i][h] = _mm512_setzero_ps();
    }
    for (int64_t d = 0; d < block.head_dim; d += kLanes) {
      const __mmask16 lanes = first_lanes(block.head_dim - d);
      __m512 key[kTokens];
#pragma GCC unroll 4
      for (int i = 0; i < kTokens; ++i) key[i] = Rows::load(rows[i] + d, lanes);
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) {
        const __m512 query = _mm512_maskz_loadu_ps(lanes, q[h] + d);
#pragma GCC unroll 4
        for (int i = 0; i < kTokens; ++i) sums[i][h] = _mm512_fmadd_ps(key[i], query, sums[i][h]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kTokens; ++i) {
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) {
        if (t + i < block.tokens) scores[h][t + i] = sum_lanes(sums[i][h]);
      }
    }
  }
}

/// Turns the scores of one head into weights e^(score − maximum); returns by how much that scales
/// what was summed up before.
float weigh_tokens(const AttentionBlock& block, int64_t head, float (&scores)[kKvPageTokens]) {
  const __m512 none = _mm512_set1_ps(-__builtin_inff());
  __m512 largest = none;
  for (int64_t t = 0; t < block.tokens; t += kLanes) {
    const __mmask16 lanes = first_lanes(block.tokens - t);
    largest = _mm512_max_ps(largest, _mm512_mask_loadu_ps(none, lanes, scores + t));
  }
  const float before = block.maxima[head];
  const float block_maximum = _mm512_reduce_max_ps(largest);
  const float maximum = before > block_maximum ? before : block_maximum;
  const float rescale = exp_scalar(before - maximum);  // 0 in the first block
  __m512 sum = _mm512_setzero_ps();
  for (int64_t t = 0; t < block.tokens; t += kLanes) {
    const __mmask16 lanes = first_lanes(block.tokens - t);
    const __m512 score = _mm512_mask_loadu_ps(none, lanes, scores + t);
    const __m512 weight = exp_ps(_mm512_sub_ps(score, _mm512_set1_ps(maximum)));
    _mm512_storeu_ps(scores + t, weight);
    sum = _mm512_add_ps(sum, weight);
  }
  block.maxima[head] = maximum;
  block.sums[head] = block.sums[head] * rescale + sum_lanes(sum);
  return rescale;
}

/// output ← rescale·output + Σ_t weight·value.
template <typename Rows>
void mix_values(const HeadGroup& group, const float (&weights)[kHeads][kKvPageTokens],
                const float (&rescale)[kHeads]) {
  constexpr int kVectors = 4;
  const AttentionBlock& block = *group.block;
  const auto* values = static_cast<const typename Rows::Element*>(block.values);
  for (int64_t d = 0; d < block.head_dim; d += kVectors * kLanes) {
    __mmask16 lanes[kVectors];
    __m512 mixed[kHeads][kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      const int64_t left = block.head_dim - d - j * kLanes;
      lanes[j] = first_lanes(left < 0 ? 0 : left);
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) {
        const float* output = block.output + group.head(h) * block.head_dim + d + j * kLanes;
        mixed[h][j] = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes[j], output),
                                    _mm512_set1_ps(rescale[h]));
      }
    }
    for (int64_t t = 0; t < block.tokens; ++t) {
      __m512 value[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        value[j] = Rows::load(values + t * block.head_dim + d + j * kLanes, lanes[j]);
      }
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) {
        const __m512 weight = _mm512_set1_ps(weights[h][t]);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) {
          mixed[h][j] = _mm512_fmadd_ps(weight, value[j], mixed[h][j]);
        }
      }
    }
    for (int64_t h = 0; h < group.count; ++h) {
      for (int j = 0; j < kVectors; ++j) {
        float* output = block.output + group.head(h) * block.head_dim + d + j * kLanes;
        _mm512_mask_storeu_ps(output, lanes[j], mixed[h][j]);
      }
    }
  }
}

template <typename Rows>
void attend_heads(const AttentionBlock& block) {
  alignas(64) float scores[kHeads][kKvPageTokens] = {};
  for (int64_t first = 0; first < block.heads; first += kHeads) {
    const HeadGroup group{&block, first, smaller(kHeads, block.heads - first)};
    float rescale[kHeads] = {};
    score_tokens<Rows>(group, scores);
    for (int64_t h = 0; h < group.count; ++h) {
      rescale[h] = weigh_tokens(block, group.head(h), scores[h]);
    }
    mix_values<Rows>(group, scores, rescale);
  }
}

}  // namespace

void attend(const AttentionBlock& block) {
  if (block.kv_type == KvType::kF32) {
    attend_heads<F32Rows>(block);
  } else {
    attend_heads<Bf16Rows>(block);
  }
}

}  // namespace hearth::avx512
