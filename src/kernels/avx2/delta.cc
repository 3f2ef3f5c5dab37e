// The gated delta rule, token by token.
//
//   state of one head: [block of 16 value columns][key_dim][16]
//
//   one block:  d = 0       [ 8 columns | 8 columns ]   two registers
//               d = 1       [ 8 columns | 8 columns ]
//               …                                       key_dim = 128: 8 KiB
//
// Columns do not depend on each other, so a block goes through all tokens while it sits in the
// first-level cache. A token passes over it twice: it reads the old state for both k and q, since
//   δ = β(v − decay·Sᵀk)     o = decay·Sᵀq + (q·k)·δ
// and then writes decay·S + k⊗δ.
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

/// The two vectors of a block's columns.
struct Columns {
  __m256 low;
  __m256 high;
};

struct Reads {
  Columns key;    // Sᵀk
  Columns query;  // Sᵀq
};

Columns add(const Columns& a, const Columns& b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

/// sum += row·factor
HEARTH_INLINE void add_row(const Columns& row, float factor, Columns& sum) {
  const __m256 f = _mm256_set1_ps(factor);
  sum.low = _mm256_fmadd_ps(row.low, f, sum.low);
  sum.high = _mm256_fmadd_ps(row.high, f, sum.high);
}

/// Both products with the old state. Even and odd rows have sums of their own: more independent
/// additions at once.
Reads read_state(const float* state, const float* k, const float* q, int64_t key_dim) {
  const Columns zero = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  Columns even_key = zero;
  Columns odd_key = zero;
  Columns even_query = zero;
  Columns odd_query = zero;
  const auto row = [&](int64_t d) {
    const float* values = state + d * kStateColumns;
    return Columns{_mm256_loadu_ps(values), _mm256_loadu_ps(values + kLanes)};
  };
  int64_t d = 0;
  for (; d + 2 <= key_dim; d += 2) {
    const Columns even = row(d);
    const Columns odd = row(d + 1);
    add_row(even, k[d], even_key);
    add_row(even, q[d], even_query);
    add_row(odd, k[d + 1], odd_key);
    add_row(odd, q[d + 1], odd_query);
  }
  if (d < key_dim) {
    add_row(row(d), k[d], even_key);
    add_row(row(d), q[d], even_query);
  }
  return {add(even_key, odd_key), add(even_query, odd_query)};
}

void write_state(float* state, const float* k, int64_t key_dim, __m256 decay,
                 const Columns& delta) {
  for (int64_t d = 0; d < key_dim; ++d) {
    float* row = state + d * kStateColumns;
    const __m256 kd = _mm256_set1_ps(k[d]);
    const __m256 low = _mm256_mul_ps(decay, _mm256_loadu_ps(row));
    const __m256 high = _mm256_mul_ps(decay, _mm256_loadu_ps(row + kLanes));
    _mm256_storeu_ps(row, _mm256_fmadd_ps(kd, delta.low, low));
    _mm256_storeu_ps(row + kLanes, _mm256_fmadd_ps(kd, delta.high, high));
  }
}

/// Columns that do not exist have values and states of 0, which stay 0.
__m256 delta_of(__m256 value, __m256 beta, __m256 decay, __m256 read) {
  return _mm256_mul_ps(beta, _mm256_fnmadd_ps(decay, read, value));
}

void run_block(const DeltaHead& head, int64_t block) {
  const int64_t column = block * kStateColumns;
  const int64_t left = head.columns - column;
  const int64_t right = left > kLanes ? left - kLanes : 0;  // columns of the second vector
  float* state = head.state + column * head.key_dim;
  for (int64_t t = 0; t < head.tokens; ++t) {
    const float* q = head.q + t * head.qk_stride;
    const float* k = head.k + t * head.qk_stride;
    const float* v = head.v + t * head.v_stride + column;
    float* o = head.output + t * head.output_stride + column;
    const __m256 decay = _mm256_set1_ps(expf(head.log_decay[t * head.gate_stride]));
    const __m256 beta = _mm256_set1_ps(head.beta[t * head.gate_stride]);
    const Reads reads = read_state(state, k, q, head.key_dim);
    const Columns delta = {delta_of(load_floats(v, left), beta, decay, reads.key.low),
                           delta_of(load_floats(v + kLanes, right), beta, decay, reads.key.high)};
    write_state(state, k, head.key_dim, decay, delta);
    const __m256 score = _mm256_set1_ps(dot(q, k, head.key_dim));
    store_floats(o, _mm256_fmadd_ps(score, delta.low, _mm256_mul_ps(decay, reads.query.low)), left);
    store_floats(o + kLanes,
                 _mm256_fmadd_ps(score, delta.high, _mm256_mul_ps(decay, reads.query.high)), right);
  }
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
  for (int64_t block = 0; block * kStateColumns < head.columns; ++block) run_block(head, block);
}

}  // namespace hearth::avx2
