// The gated delta rule, token by token.
//
//   state of one head: [block of 16 value columns][key_dim][16]
//
//   one block:  d = 0       [ 16 columns ]   one register
//               d = 1       [ 16 columns ]
//               …                            key_dim = 128: 8 KiB, in the first-level cache
//
// Columns do not depend on each other, so a block goes through all tokens while it sits in the
// cache. A token passes over the block twice. The first pass reads the old state for both k and q;
// since the new state is decay·S + k⊗δ, the output follows without reading the new one:
//   δ = β(v − decay·Sᵀk)     o = decay·Sᵀq + (q·k)·δ
// The second pass writes the new state. Two blocks side by side share the broadcasts of k and q.
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

/// Sᵀk and Sᵀq of B blocks that start at `state`. Even and odd d have sums of their own: more
/// independent additions at once.
template <int B>
inline __attribute__((always_inline)) void read_state(const float* state, int64_t key_dim,
                                                      const float* k, const float* q,
                                                      __m512 (&by_key)[B], __m512 (&by_query)[B]) {
  __m512 keys[B][2];
  __m512 queries[B][2];
  for (int b = 0; b < B; ++b) {
    for (int i = 0; i < 2; ++i) keys[b][i] = queries[b][i] = _mm512_setzero_ps();
  }
  const int64_t block_values = key_dim * kStateColumns;
  const auto add = [&](int64_t d, int i) __attribute__((always_inline)) {
    const __m512 key = _mm512_set1_ps(k[d]);
    const __m512 query = _mm512_set1_ps(q[d]);
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      const __m512 row = _mm512_loadu_ps(state + b * block_values + d * kStateColumns);
      keys[b][i] = _mm512_fmadd_ps(row, key, keys[b][i]);
      queries[b][i] = _mm512_fmadd_ps(row, query, queries[b][i]);
    }
  };
  int64_t d = 0;
  for (; d + 2 <= key_dim; d += 2) {
    add(d, 0);
    add(d + 1, 1);
  }
  if (d < key_dim) add(d, 0);
  for (int b = 0; b < B; ++b) {
    by_key[b] = _mm512_add_ps(keys[b][0], keys[b][1]);
    by_query[b] = _mm512_add_ps(queries[b][0], queries[b][1]);
  }
}

template <int B>
inline __attribute__((always_inline)) void write_state(float* state, int64_t key_dim,
                                                       const float* k, __m512 decay,
                                                       const __m512 (&delta)[B]) {
  for (int64_t d = 0; d < key_dim; ++d) {
    const __m512 key = _mm512_set1_ps(k[d]);
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      float* row = state + (b * key_dim + d) * kStateColumns;
      const __m512 decayed = _mm512_mul_ps(decay, _mm512_loadu_ps(row));
      _mm512_storeu_ps(row, _mm512_fmadd_ps(key, delta[b], decayed));
    }
  }
}

float dot(const float* a, const float* b, int64_t n) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i),
                          sum);
  }
  return sum_lanes(sum);
}

/// B blocks from the one at column `column` on, over all tokens. Lanes past the head's columns
/// read v as 0: their state stays 0.
template <int B>
void blocks(const DeltaHead& head, int64_t column) {
  float* state = head.state + column * head.key_dim;
  __mmask16 lanes[B];
  for (int b = 0; b < B; ++b) lanes[b] = first_lanes(head.columns - column - b * kStateColumns);
  for (int64_t t = 0; t < head.tokens; ++t) {
    const float* q = head.q + t * head.qk_stride;
    const float* k = head.k + t * head.qk_stride;
    const float* v = head.v + t * head.v_stride + column;
    float* o = head.output + t * head.output_stride + column;
    const __m512 decay = exp_ps(_mm512_set1_ps(head.log_decay[t * head.gate_stride]));
    const __m512 beta = _mm512_set1_ps(head.beta[t * head.gate_stride]);
    const __m512 query_key = _mm512_set1_ps(dot(q, k, head.key_dim));
    __m512 by_key[B];
    __m512 by_query[B];
    __m512 delta[B];
    read_state<B>(state, head.key_dim, k, q, by_key, by_query);
    for (int b = 0; b < B; ++b) {
      const __m512 value = _mm512_maskz_loadu_ps(lanes[b], v + b * kStateColumns);
      delta[b] = _mm512_mul_ps(beta, _mm512_fnmadd_ps(decay, by_key[b], value));
      const __m512 out = _mm512_fmadd_ps(query_key, delta[b], _mm512_mul_ps(decay, by_query[b]));
      _mm512_mask_storeu_ps(o + b * kStateColumns, lanes[b], out);
    }
    write_state<B>(state, head.key_dim, k, decay, delta);
  }
}

}  // namespace

void delta_recurrent(const DeltaHead& head) {
  int64_t column = 0;
  for (; column + kStateColumns < head.columns; column += 2 * kStateColumns) {
    blocks<2>(head, column);
  }
  if (column < head.columns) blocks<1>(head, column);
}

}  // namespace hearth::avx512
