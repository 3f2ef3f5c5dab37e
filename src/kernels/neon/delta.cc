// The gated delta rule, token by token.
//
//   state of one head: [block of 16 value columns][key_dim][16]
//
//   one block:  d = 0       [ 4 | 4 | 4 | 4 columns ]   four registers
//               d = 1       [ 4 | 4 | 4 | 4 columns ]
//               …                                       key_dim = 128: 8 KiB
//
// Columns do not depend on each other, so a block goes through all tokens while it sits in the
// first-level cache. A token passes over it twice: it reads the old state for both k and q, since
//   δ = β(v − decay·Sᵀk)     o = decay·Sᵀq + (q·k)·δ
// and then writes decay·S + k⊗δ.
#include <math.h>

#include "kernels/neon/kernels.h"
#include "kernels/neon/simd.h"

namespace hearth::neon {
namespace {

constexpr int kVectors = kStateColumns / kLanes;

float dot(const float* a, const float* b, int64_t n) {
  float32x4_t sums = vdupq_n_f32(0.0f);
  for (int64_t i = 0; i < n; i += kLanes) {
    sums = vfmaq_f32(sums, load_floats(a + i, n - i), load_floats(b + i, n - i));
  }
  return vaddvq_f32(sums);
}

/// A value for each column of a block.
struct Columns {
  float32x4_t part[kVectors];
};

struct Reads {
  Columns key;    // Sᵀk
  Columns query;  // Sᵀq
};

/// Both products with the old state.
Reads read_state(const float* state, const float* k, const float* q, int64_t key_dim) {
  Reads reads;
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    reads.key.part[i] = vdupq_n_f32(0.0f);
    reads.query.part[i] = vdupq_n_f32(0.0f);
  }
  for (int64_t d = 0; d < key_dim; ++d, state += kStateColumns) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      const float32x4_t row = vld1q_f32(state + i * kLanes);
      reads.key.part[i] = vfmaq_n_f32(reads.key.part[i], row, k[d]);
      reads.query.part[i] = vfmaq_n_f32(reads.query.part[i], row, q[d]);
    }
  }
  return reads;
}

void write_state(float* state, const float* k, int64_t key_dim, float decay, const Columns& delta) {
  for (int64_t d = 0; d < key_dim; ++d, state += kStateColumns) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      float* row = state + i * kLanes;
      vst1q_f32(row, vfmaq_n_f32(vmulq_n_f32(vld1q_f32(row), decay), delta.part[i], k[d]));
    }
  }
}

void run_block(const DeltaHead& head, int64_t block) {
  const int64_t column = block * kStateColumns;
  float* state = head.state + column * head.key_dim;
  for (int64_t t = 0; t < head.tokens; ++t) {
    const float* q = head.q + t * head.qk_stride;
    const float* k = head.k + t * head.qk_stride;
    const float* v = head.v + t * head.v_stride + column;
    float* o = head.output + t * head.output_stride + column;
    const float decay = expf(head.log_decay[t * head.gate_stride]);
    const float beta = head.beta[t * head.gate_stride];
    const float score = dot(q, k, head.key_dim);
    const Reads reads = read_state(state, k, q, head.key_dim);
    Columns delta;
    for (int i = 0; i < kVectors; ++i) {
      // Columns that do not exist have values and states of 0, which stay 0.
      const int64_t left = head.columns - column - i * kLanes;
      const float32x4_t value = load_floats(v + i * kLanes, left);
      const float32x4_t change = vfmsq_f32(value, reads.key.part[i], vdupq_n_f32(decay));
      delta.part[i] = vmulq_n_f32(change, beta);
      const float32x4_t old = vmulq_n_f32(reads.query.part[i], decay);
      store_floats(o + i * kLanes, vfmaq_n_f32(old, delta.part[i], score), left);
    }
    write_state(state, k, head.key_dim, decay, delta);
  }
}

}  // namespace

void delta_recurrent(const DeltaHead& head) {
  for (int64_t block = 0; block * kStateColumns < head.columns; ++block) run_block(head, block);
}

}  // namespace hearth::neon
