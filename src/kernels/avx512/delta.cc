// The gates of the delta rule, and the rule itself, token by token.
//
//   state of one head: [block of 16 value columns][key_dim][16]
//
//   one block:  d = 0       [ 16 columns ]   one register
//               d = 1       [ 16 columns ]
//               …                            key_dim = 128: 8 KiB, in the first-level cache
//
// Columns do not depend on each other, so a block goes through many tokens while it sits in the
// cache. With the old state S a token needs
//   δ = β(v − decay·Sᵀk)     o = decay·Sᵀq + (q·k)·δ     S ← decay·S + k⊗δ
// so that a sweep over the state which writes it for one token reads it for the next one: a load, a
// store and four multiplications a register, which keeps both multipliers busy. The first token's
// reads and the last one's writes are sweeps of their own, with the same operations in the same
// order. Two blocks side by side share the broadcasts of k and q.
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/vector.h"

namespace hearth::avx512 {
namespace {

/// Tokens whose decays and scores are prepared at once.
constexpr int64_t kPrepared = 64;

struct Prepared {
  float decay[kPrepared];  // e^g
  float score[kPrepared];  // q·k
};

/// Sᵀk and Sᵀq of B blocks. Even and odd d have sums of their own: more independent additions.
template <int B>
struct Reads {
  __m512 key[B][2];
  __m512 query[B][2];
};

/// What a token does to B blocks.
template <int B>
struct Update {
  const float* k;
  __m512 decay;
  __m512 delta[B];
};

float dot(const float* a, const float* b, int64_t n) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i),
                          sum);
  }
  return sum_lanes(sum);
}

void prepare(const DeltaHead& head, int64_t first, int64_t tokens, Prepared& p) {
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t row = (first + t) * head.qk_stride;
    p.decay[t] = head.log_decay[(first + t) * head.gate_stride];
    p.score[t] = dot(head.q + row, head.k + row, head.key_dim);
  }
  for (int64_t t = 0; t < tokens; t += kLanes) {
    const __mmask16 lanes = first_lanes(tokens - t);
    _mm512_mask_storeu_ps(p.decay + t, lanes, exp_ps(_mm512_maskz_loadu_ps(lanes, p.decay + t)));
  }
}

/// What a sweep does with every row of the state.
struct Steps {
  bool write = false;  // applies a token
  bool read = false;   // sums up for the token after it
  int fetch_from = 0;  // asks for the cache lines of blocks that are needed soon, [from, to)
  int fetch_to = 0;
};

template <int B>
struct Sweep {
  float* state;
  int64_t block_values;
  const float* k;  // of the token that reads
  const float* q;
  const float* next;  // blocks to fetch
};

/// Row d of B blocks; sums of reads go to the i-th of each pair.
template <int B, Steps kSteps>
HEARTH_INLINE void visit(const Sweep<B>& sweep, int64_t d, int i, const Update<B>& update,
                         Reads<B>& reads) {
  const __m512 zero = _mm512_setzero_ps();
  const __m512 written = kSteps.write ? _mm512_set1_ps(update.k[d]) : zero;
  const __m512 key = kSteps.read ? _mm512_set1_ps(sweep.k[d]) : zero;
  const __m512 query = kSteps.read ? _mm512_set1_ps(sweep.q[d]) : zero;
#pragma GCC unroll 4
  for (int b = 0; b < B; ++b) {
    const int64_t at = b * sweep.block_values + d * kStateColumns;
    __m512 row = _mm512_loadu_ps(sweep.state + at);
    if (b >= kSteps.fetch_from && b < kSteps.fetch_to) {
      _mm_prefetch(reinterpret_cast<const char*>(sweep.next + at), _MM_HINT_T0);
    }
    if (kSteps.write) {
      row = _mm512_fmadd_ps(written, update.delta[b], _mm512_mul_ps(update.decay, row));
      _mm512_storeu_ps(sweep.state + at, row);
    }
    if (kSteps.read) {
      reads.key[b][i] = _mm512_fmadd_ps(row, key, reads.key[b][i]);
      reads.query[b][i] = _mm512_fmadd_ps(row, query, reads.query[b][i]);
    }
  }
}

/// One pass over all rows.
template <int B, Steps kSteps>
HEARTH_INLINE void run_sweep(const Sweep<B>& sweep, int64_t key_dim, const Update<B>& update,
                             Reads<B>& reads) {
  if (kSteps.read) {
    for (int b = 0; b < B; ++b) {
      for (int i = 0; i < 2; ++i) reads.key[b][i] = reads.query[b][i] = _mm512_setzero_ps();
    }
  }
  int64_t d = 0;
  for (; d + 2 <= key_dim; d += 2) {
    visit<B, kSteps>(sweep, d, 0, update, reads);
    visit<B, kSteps>(sweep, d + 1, 1, update, reads);
  }
  if (d < key_dim) visit<B, kSteps>(sweep, d, 0, update, reads);
}

/// What token t of the head reads from B blocks, and what it will write.
template <int B>
HEARTH_INLINE void finish_reads(const DeltaHead& head, int64_t t, int64_t column, float decay,
                                float score, const Reads<B>& reads, Update<B>& update) {
  const float* v = head.v + t * head.v_stride + column;
  float* o = head.output + t * head.output_stride + column;
  const __m512 beta = _mm512_set1_ps(head.beta[t * head.gate_stride]);
  update.k = head.k + t * head.qk_stride;
  update.decay = _mm512_set1_ps(decay);
  for (int b = 0; b < B; ++b) {
    // Lanes past the head's columns read v as 0: their state stays 0.
    const __mmask16 lanes = first_lanes(head.columns - column - b * kStateColumns);
    const __m512 by_key = _mm512_add_ps(reads.key[b][0], reads.key[b][1]);
    const __m512 by_query = _mm512_add_ps(reads.query[b][0], reads.query[b][1]);
    const __m512 value = _mm512_maskz_loadu_ps(lanes, v + b * kStateColumns);
    update.delta[b] = _mm512_mul_ps(beta, _mm512_fnmadd_ps(update.decay, by_key, value));
    const __m512 out = _mm512_fmadd_ps(_mm512_set1_ps(score), update.delta[b],
                                       _mm512_mul_ps(update.decay, by_query));
    _mm512_mask_storeu_ps(o + b * kStateColumns, lanes, out);
  }
}

/// Asks for a row of n values.
void fetch_row(const float* row, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    _mm_prefetch(reinterpret_cast<const char*>(row + i), _MM_HINT_T0);
  }
}

/// B blocks from the one at column `column` on, over the prepared tokens.
template <int B>
void run_blocks(const DeltaHead& head, int64_t first, int64_t tokens, const Prepared& prepared,
                int64_t column, const float* next) {
  Sweep<B> sweep{head.state + column * head.key_dim, head.key_dim * kStateColumns,
                 head.k + first * head.qk_stride, head.q + first * head.qk_stride, next};
  Reads<B> reads;
  Update<B> update;
  if (next) run_sweep<B, Steps{.read = true, .fetch_to = 1}>(sweep, head.key_dim, update, reads);
  else run_sweep<B, Steps{.read = true}>(sweep, head.key_dim, update, reads);
  for (int64_t t = 0; t + 1 < tokens; ++t) {
    finish_reads(head, first + t, column, prepared.decay[t], prepared.score[t], reads, update);
    sweep.k += head.qk_stride;
    sweep.q += head.qk_stride;
    if (t + 2 < tokens) {
      fetch_row(sweep.k + head.qk_stride, head.key_dim);
      fetch_row(sweep.q + head.qk_stride, head.key_dim);
    }
    run_sweep<B, Steps{.write = true, .read = true}>(sweep, head.key_dim, update, reads);
  }
  const int64_t last = tokens - 1;
  finish_reads(head, first + last, column, prepared.decay[last], prepared.score[last], reads,
               update);
  if (next)
    run_sweep<B, Steps{.write = true, .fetch_from = 1, .fetch_to = B}>(sweep, head.key_dim, update,
                                                                       reads);
  else run_sweep<B, Steps{.write = true}>(sweep, head.key_dim, update, reads);
}

/// log(1 + y) for y of [0, 1], small y included: 2·artanh z with z = y/(2 + y) ≤ 1/3, whose series
/// is cut where a term is below 2e-9 of the first.
__m512 log_one_plus(__m512 y) {
  const __m512 z = _mm512_div_ps(y, _mm512_add_ps(_mm512_set1_ps(2.0f), y));
  const __m512 square = _mm512_mul_ps(z, z);
  __m512 series = _mm512_set1_ps(1.0f / 15);
  constexpr float kTerms[] = {1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3};
  for (int i = 0; i < 6; ++i) {
    series = _mm512_fmadd_ps(series, square, _mm512_set1_ps(kTerms[i]));
  }
  const __m512 twice = _mm512_add_ps(z, z);
  return _mm512_fmadd_ps(_mm512_mul_ps(series, square), twice, twice);
}

}  // namespace

void delta_gates(const DeltaGates& gates) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i places =
      _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(gates.stride)));
  const __m512 zero = _mm512_setzero_ps();
  for (int64_t t = 0; t < gates.tokens; t += kLanes) {
    const __mmask16 lanes = first_lanes(gates.tokens - t);
    const int64_t first = t * gates.stride;
    const __m512 a = _mm512_mask_i32gather_ps(zero, lanes, places, gates.a + first, 4);
    const __m512 b = _mm512_mask_i32gather_ps(zero, lanes, places, gates.b + first, 4);
    const __m512 x = _mm512_add_ps(a, _mm512_set1_ps(gates.bias));
    const __m512 power = exp_ps(_mm512_sub_ps(zero, _mm512_abs_ps(x)));
    const __m512 softplus = _mm512_add_ps(_mm512_max_ps(x, zero), log_one_plus(power));
    const __m512 decay = _mm512_mul_ps(_mm512_set1_ps(gates.rate), softplus);
    _mm512_mask_storeu_ps(gates.log_decay + t, lanes, decay);
    const __m512 beta = _mm512_div_ps(_mm512_set1_ps(1.0f), sigmoid_divisor(b));
    _mm512_mask_storeu_ps(gates.beta + t, lanes, beta);
  }
}

void delta_recurrent(const DeltaHead& head) {
  constexpr int64_t kPair = 2 * kStateColumns;
  for (int64_t first = 0; first < head.tokens; first += kPrepared) {
    const int64_t left = head.tokens - first;
    const int64_t tokens = left < kPrepared ? left : kPrepared;
    Prepared prepared;
    prepare(head, first, tokens, prepared);
    int64_t column = 0;
    for (; column + kStateColumns < head.columns; column += kPair) {
      // Single tokens wait for memory: while a pair of blocks is read, the next one is fetched.
      const bool last = column + kPair >= head.columns;
      const float* next = last ? head.next_state : head.state + (column + kPair) * head.key_dim;
      run_blocks<2>(head, first, tokens, prepared, column, head.tokens == 1 ? next : nullptr);
    }
    if (column < head.columns) run_blocks<1>(head, first, tokens, prepared, column, nullptr);
  }
}

}  // namespace hearth::avx512
