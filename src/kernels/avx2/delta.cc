// The gated delta rule, token by token.
//
//   state of one head: [block of 16 value columns][key_dim][16]
//
//   one block:  d = 0       [ 8 columns | 8 columns ]   two registers
//               d = 1       [ 8 columns | 8 columns ]
//               …                                       key_dim = 128: 8 KiB
//
// Columns do not depend on each other, so a block goes through many tokens while it sits in the
// first-level cache. With the old state S a token needs
//   δ = β(v − decay·Sᵀk)     o = decay·Sᵀq + (q·k)·δ     S ← decay·S + k⊗δ
// so that a sweep over the state which writes it for one token reads it for the next one. The first
// token's reads and the last one's writes are sweeps of their own, with the same operations in the
// same order.
#include <math.h>

#include "kernels/avx2/kernels.h"
#include "kernels/avx2/simd.h"

namespace hearth::avx2 {
namespace {

float dot(const float* a, const float* b, int64_t n) {
  __m256 sums = _mm256_setzero_ps();
  for (int64_t i = 0; i < n; i += kLanes) {
    sums = _mm256_fmadd_ps(load_floats(a + i, n - i), load_floats(b + i, n - i), sums);
  }
  return reduce_add(sums);
}

/// Tokens whose decays and scores are prepared at once.
constexpr int64_t kPrepared = 64;

struct Prepared {
  float decay[kPrepared];  // e^g
  float score[kPrepared];  // q·k
};

void prepare(const DeltaHead& head, int64_t first, int64_t tokens, Prepared& p) {
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t row = (first + t) * head.qk_stride;
    p.decay[t] = expf(head.log_decay[(first + t) * head.gate_stride]);
    p.score[t] = dot(head.q + row, head.k + row, head.key_dim);
  }
}

/// The two vectors of a block's columns.
struct Columns {
  __m256 low;
  __m256 high;
};

/// Even and odd rows have sums of their own: more independent additions at once.
struct Reads {
  Columns key[2];    // Sᵀk
  Columns query[2];  // Sᵀq
};

/// What a token does to a block.
struct Update {
  const float* k;
  __m256 decay;
  Columns delta;
};

HEARTH_INLINE Columns add(const Columns& a, const Columns& b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

/// sum += row·factor
HEARTH_INLINE void add_row(const Columns& row, float factor, Columns& sum) {
  const __m256 f = _mm256_set1_ps(factor);
  sum.low = _mm256_fmadd_ps(row.low, f, sum.low);
  sum.high = _mm256_fmadd_ps(row.high, f, sum.high);
}

/// One row of 16 columns: written for the token of `update`, read for the one with k and q.
template <bool kWrite, bool kRead>
HEARTH_INLINE void visit(float* row, int64_t d, const Update& update, const float* k,
                         const float* q, int i, Reads& reads) {
  Columns values = {_mm256_loadu_ps(row), _mm256_loadu_ps(row + kLanes)};
  if (kWrite) {
    values.low = _mm256_mul_ps(update.decay, values.low);
    values.high = _mm256_mul_ps(update.decay, values.high);
    add_row(update.delta, update.k[d], values);
    _mm256_storeu_ps(row, values.low);
    _mm256_storeu_ps(row + kLanes, values.high);
  }
  if (kRead) {
    add_row(values, k[d], reads.key[i]);
    add_row(values, q[d], reads.query[i]);
  }
}

/// One pass over all rows of a block.
template <bool kWrite, bool kRead>
HEARTH_INLINE void sweep(float* state, int64_t key_dim, const Update& update, const float* k,
                         const float* q, Reads& reads) {
  if (kRead) {
    const Columns zero = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    reads = {{zero, zero}, {zero, zero}};
  }
  int64_t d = 0;
  for (; d + 2 <= key_dim; d += 2) {
    visit<kWrite, kRead>(state + d * kStateColumns, d, update, k, q, 0, reads);
    visit<kWrite, kRead>(state + (d + 1) * kStateColumns, d + 1, update, k, q, 1, reads);
  }
  if (d < key_dim) {
    visit<kWrite, kRead>(state + d * kStateColumns, d, update, k, q, 0, reads);
  }
}

/// Columns that do not exist have values and states of 0, which stay 0.
__m256 delta_of(__m256 value, __m256 beta, __m256 decay, __m256 read) {
  return _mm256_mul_ps(beta, _mm256_fnmadd_ps(decay, read, value));
}

/// What token t of the head reads from a block, and what it will write.
HEARTH_INLINE void finish_reads(const DeltaHead& head, int64_t t, int64_t column, float decay,
                                float score, const Reads& reads, Update& update) {
  const int64_t left = head.columns - column;
  const int64_t right = left > kLanes ? left - kLanes : 0;  // columns of the second vector
  const float* v = head.v + t * head.v_stride + column;
  float* o = head.output + t * head.output_stride + column;
  const __m256 beta = _mm256_set1_ps(head.beta[t * head.gate_stride]);
  const Columns by_key = add(reads.key[0], reads.key[1]);
  const Columns by_query = add(reads.query[0], reads.query[1]);
  update.k = head.k + t * head.qk_stride;
  update.decay = _mm256_set1_ps(decay);
  update.delta = {delta_of(load_floats(v, left), beta, update.decay, by_key.low),
                  delta_of(load_floats(v + kLanes, right), beta, update.decay, by_key.high)};
  Columns out = {_mm256_mul_ps(update.decay, by_query.low),
                 _mm256_mul_ps(update.decay, by_query.high)};
  add_row(update.delta, score, out);
  store_floats(o, out.low, left);
  store_floats(o + kLanes, out.high, right);
}

/// The block at `column`, over the prepared tokens.
void run_block(const DeltaHead& head, int64_t first, int64_t tokens, const Prepared& prepared,
               int64_t column) {
  float* state = head.state + column * head.key_dim;
  const float* k = head.k + first * head.qk_stride;
  const float* q = head.q + first * head.qk_stride;
  Reads reads;
  Update update;
  sweep<false, true>(state, head.key_dim, update, k, q, reads);
  for (int64_t t = 0; t + 1 < tokens; ++t) {
    finish_reads(head, first + t, column, prepared.decay[t], prepared.score[t], reads, update);
    k += head.qk_stride;
    q += head.qk_stride;
    sweep<true, true>(state, head.key_dim, update, k, q, reads);
  }
  const int64_t last = tokens - 1;
  finish_reads(head, first + last, column, prepared.decay[last], prepared.score[last], reads,
               update);
  sweep<true, false>(state, head.key_dim, update, k, q, reads);
}

/// log(1 + y) for y of [0, 1], small y included: 2·artanh z with z = y/(2 + y) ≤ 1/3, whose series
/// is cut where a term is below 2e-9 of the first.
__m256 log_one_plus(__m256 y) {
  const __m256 z = _mm256_div_ps(y, _mm256_add_ps(_mm256_set1_ps(2.0f), y));
  const __m256 square = _mm256_mul_ps(z, z);
  constexpr float kTerms[] = {1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3};
  __m256 series = _mm256_set1_ps(1.0f / 15);
  for (int i = 0; i < 6; ++i) {
    series = _mm256_fmadd_ps(series, square, _mm256_set1_ps(kTerms[i]));
  }
  const __m256 twice = _mm256_add_ps(z, z);
  return _mm256_fmadd_ps(_mm256_mul_ps(series, square), twice, twice);
}

/// Up to 8 values that are `stride` apart; the rest are 0.
__m256 load_strided(const float* p, int64_t stride, int64_t left) {
  alignas(32) float lanes[kLanes] = {};
  for (int64_t i = 0; i < lanes_left(left); ++i) lanes[i] = p[i * stride];
  return _mm256_load_ps(lanes);
}

}  // namespace

void delta_gates(const DeltaGates& gates) {
  const __m256 zero = _mm256_setzero_ps();
  for (int64_t t = 0; t < gates.tokens; t += kLanes) {
    const int64_t left = gates.tokens - t;
    const __m256 a = load_strided(gates.a + t * gates.stride, gates.stride, left);
    const __m256 b = load_strided(gates.b + t * gates.stride, gates.stride, left);
    const __m256 x = _mm256_add_ps(a, _mm256_set1_ps(gates.bias));
    const __m256 power = exp(_mm256_or_ps(_mm256_set1_ps(-0.0f), x));  // e^−|x|
    const __m256 softplus = _mm256_add_ps(_mm256_max_ps(x, zero), log_one_plus(power));
    store_floats(gates.log_decay + t, _mm256_mul_ps(_mm256_set1_ps(gates.rate), softplus), left);
    store_floats(gates.beta + t, sigmoid(b), left);
  }
}

void delta_recurrent(const DeltaHead& head) {
  for (int64_t first = 0; first < head.tokens; first += kPrepared) {
    const int64_t left = head.tokens - first;
    const int64_t tokens = left < kPrepared ? left : kPrepared;
    Prepared prepared;
    prepare(head, first, tokens, prepared);
    for (int64_t column = 0; column < head.columns; column += kStateColumns) {
      run_block(head, first, tokens, prepared, column);
    }
  }
}

}  // namespace hearth::avx2
