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
#include "kernels/avx512/avx512.h"
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

/// One pass over B blocks at `state`. kWrite: applies `update` first; kRead: adds the rows times k
/// and q to `reads`; kFetch: asks for the lines at `next`, as many as there are in the blocks.
template <int B, bool kWrite, bool kRead, bool kFetch = false>
HEARTH_INLINE void sweep(float* state, int64_t key_dim, const Update<B>& update, const float* k,
                         const float* q, Reads<B>& reads, const float* next = nullptr) {
  if (kRead) {
    for (int b = 0; b < B; ++b) {
      for (int i = 0; i < 2; ++i) reads.key[b][i] = reads.query[b][i] = _mm512_setzero_ps();
    }
  }
  const int64_t block_values = key_dim * kStateColumns;
  const auto visit = [&](int64_t d, int i) __attribute__((always_inline)) {
    const __m512 written = kWrite ? _mm512_set1_ps(update.k[d]) : _mm512_setzero_ps();
    const __m512 key = kRead ? _mm512_set1_ps(k[d]) : _mm512_setzero_ps();
    const __m512 query = kRead ? _mm512_set1_ps(q[d]) : _mm512_setzero_ps();
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      float* place = state + b * block_values + d * kStateColumns;
      __m512 row = _mm512_loadu_ps(place);
      if (kFetch) {
        const float* line = next + b * block_values + d * kStateColumns;
        _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0);
      }
      if (kWrite) {
        row = _mm512_fmadd_ps(written, update.delta[b], _mm512_mul_ps(update.decay, row));
        _mm512_storeu_ps(place, row);
      }
      if (kRead) {
        reads.key[b][i] = _mm512_fmadd_ps(row, key, reads.key[b][i]);
        reads.query[b][i] = _mm512_fmadd_ps(row, query, reads.query[b][i]);
      }
    }
  };
  int64_t d = 0;
  for (; d + 2 <= key_dim; d += 2) {
    visit(d, 0);
    visit(d + 1, 1);
  }
  if (d < key_dim) visit(d, 0);
}

/// B blocks from the one at column `column` on, over the prepared tokens. Lanes past the head's
/// columns read v as 0: their state stays 0.
template <int B>
void run_blocks(const DeltaHead& head, int64_t first, int64_t tokens, const Prepared& prepared,
                int64_t column, const float* next) {
  float* state = head.state + column * head.key_dim;
  __mmask16 lanes[B];
  for (int b = 0; b < B; ++b) lanes[b] = first_lanes(head.columns - column - b * kStateColumns);
  Reads<B> reads;
  Update<B> update;
  const float* q = head.q + first * head.qk_stride;
  const float* k = head.k + first * head.qk_stride;
  if (next) sweep<B, false, true, true>(state, head.key_dim, update, k, q, reads, next);
  else sweep<B, false, true>(state, head.key_dim, update, k, q, reads);
  for (int64_t t = 0; t < tokens; ++t) {
    const float* v = head.v + (first + t) * head.v_stride + column;
    float* o = head.output + (first + t) * head.output_stride + column;
    const __m512 beta = _mm512_set1_ps(head.beta[(first + t) * head.gate_stride]);
    const __m512 score = _mm512_set1_ps(prepared.score[t]);
    update.decay = _mm512_set1_ps(prepared.decay[t]);
    update.k = k;
    for (int b = 0; b < B; ++b) {
      const __m512 by_key = _mm512_add_ps(reads.key[b][0], reads.key[b][1]);
      const __m512 by_query = _mm512_add_ps(reads.query[b][0], reads.query[b][1]);
      const __m512 value = _mm512_maskz_loadu_ps(lanes[b], v + b * kStateColumns);
      update.delta[b] = _mm512_mul_ps(beta, _mm512_fnmadd_ps(update.decay, by_key, value));
      const __m512 out =
          _mm512_fmadd_ps(score, update.delta[b], _mm512_mul_ps(update.decay, by_query));
      _mm512_mask_storeu_ps(o + b * kStateColumns, lanes[b], out);
    }
    if (t + 1 == tokens) break;
    q += head.qk_stride;
    k += head.qk_stride;
    sweep<B, true, true>(state, head.key_dim, update, k, q, reads);
  }
  sweep<B, true, false>(state, head.key_dim, update, k, q, reads);
}

}  // namespace

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
