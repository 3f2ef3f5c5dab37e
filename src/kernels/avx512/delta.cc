// The gated delta rule, one block of 16 value columns at a time: 16 columns are one vector, and the
// block's [key_dim] vectors (8 KB for 128) stay in the first-level cache for the whole segment.
//
// One sweep reads the old state for both of its uses, one writes the new state:
//   m = e^g Sᵀk,  r = e^g Sᵀq;   δ = β(v − m);   S ← e^g S + k⊗δ;   o = r + (q·k) δ
// since (e^g S + k⊗δ)ᵀ q = e^g Sᵀq + (k·q) δ.
#include <math.h>

#include "kernels/avx512/kernels.h"
#include "kernels/avx512/simd.h"

namespace hearth::avx512 {
namespace {

float dot(const float* a, const float* b, int64_t n) {
  __m512 sums = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 mask = lane_mask(n - i);
    sums = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i),
                           sums);
  }
  return _mm512_reduce_add_ps(sums);
}

struct Reads {
  __m512 key;    // Sᵀk
  __m512 query;  // Sᵀq
};

/// Both products with the old state; two chains each hide the latency of the additions.
Reads read_state(const float* state, const float* k, const float* q, int64_t key_dim) {
  __m512 key[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  __m512 query[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int64_t d = 0; d < key_dim; ++d) {
    const __m512 row = _mm512_loadu_ps(state + d * kStateColumns);
    key[d & 1] = _mm512_fmadd_ps(row, _mm512_set1_ps(k[d]), key[d & 1]);
    query[d & 1] = _mm512_fmadd_ps(row, _mm512_set1_ps(q[d]), query[d & 1]);
  }
  return {_mm512_add_ps(key[0], key[1]), _mm512_add_ps(query[0], query[1])};
}

void write_state(float* state, const float* k, int64_t key_dim, __m512 decay, __m512 delta) {
  for (int64_t d = 0; d < key_dim; ++d) {
    float* row = state + d * kStateColumns;
    const __m512 kept = _mm512_mul_ps(decay, _mm512_loadu_ps(row));
    _mm512_storeu_ps(row, _mm512_fmadd_ps(_mm512_set1_ps(k[d]), delta, kept));
  }
}

void run_block(const DeltaHead& head, int64_t block) {
  const int64_t column = block * kStateColumns;
  const __mmask16 mask = lane_mask(head.columns - column);
  float* state = head.state + column * head.key_dim;
  for (int64_t t = 0; t < head.tokens; ++t) {
    const float* q = head.q + t * head.qk_stride;
    const float* k = head.k + t * head.qk_stride;
    const __m512 decay = _mm512_set1_ps(expf(head.log_decay[t * head.gate_stride]));
    const __m512 beta = _mm512_set1_ps(head.beta[t * head.gate_stride]);
    const __m512 v = _mm512_maskz_loadu_ps(mask, head.v + t * head.v_stride + column);
    const Reads reads = read_state(state, k, q, head.key_dim);
    const __m512 delta = _mm512_maskz_mul_ps(mask, beta, _mm512_fnmadd_ps(decay, reads.key, v));
    write_state(state, k, head.key_dim, decay, delta);
    const __m512 score = _mm512_set1_ps(dot(q, k, head.key_dim));
    const __m512 out = _mm512_fmadd_ps(score, delta, _mm512_mul_ps(decay, reads.query));
    _mm512_mask_storeu_ps(head.output + t * head.output_stride + column, mask, out);
  }
}

}  // namespace

void delta_recurrent(const DeltaHead& head) {
  for (int64_t block = 0; block * kStateColumns < head.columns; ++block) run_block(head, block);
}

}  // namespace hearth::avx512
