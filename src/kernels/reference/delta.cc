// The gated delta rule, token by token and in chunks.
//
// State of one head, [block of 16 value columns][key_dim][16]: columns are independent of each
// other, so a block is one contiguous piece of work.
#include <cmath>
#include <cstring>

#include "kernels/reference/kernels.h"

namespace hearth::reference {
namespace {

/// One block of columns over all tokens.
void recurrent_block(const DeltaHead& head, int64_t block, int64_t columns) {
  float* state = head.state + block * head.key_dim * kStateColumns;
  for (int64_t t = 0; t < head.tokens; ++t) {
    const float* q = head.q + t * head.qk_stride;
    const float* k = head.k + t * head.qk_stride;
    const float* v = head.v + t * head.v_stride + block * kStateColumns;
    float* o = head.output + t * head.output_stride + block * kStateColumns;
    const float decay = std::exp(head.log_decay[t * head.gate_stride]);
    const float beta = head.beta[t * head.gate_stride];
    float delta[kStateColumns] = {};
    for (int64_t d = 0; d < head.key_dim; ++d) {
      float* row = state + d * kStateColumns;
      for (int64_t c = 0; c < kStateColumns; ++c) {
        row[c] *= decay;
        delta[c] += row[c] * k[d];
      }
    }
    for (int64_t c = 0; c < columns; ++c) delta[c] = beta * (v[c] - delta[c]);
    float out[kStateColumns] = {};
    for (int64_t d = 0; d < head.key_dim; ++d) {
      float* row = state + d * kStateColumns;
      for (int64_t c = 0; c < columns; ++c) row[c] += k[d] * delta[c];
      for (int64_t c = 0; c < kStateColumns; ++c) out[c] += row[c] * q[d];
    }
    std::memcpy(o, out, static_cast<size_t>(columns) * sizeof(float));
  }
}

int64_t block_columns(const DeltaHead& head, int64_t block) {
  const int64_t left = head.columns - block * kStateColumns;
  return left < kStateColumns ? left : kStateColumns;
}

int64_t block_count(const DeltaHead& head) {
  return (head.columns + kStateColumns - 1) / kStateColumns;
}

/// The parts of delta_chunked's scratch, n = tokens of the chunk at hand, C = kDeltaChunk:
struct ChunkScratch {
  // G, the cumulative log decay. In double: its differences count, and a few strong decays
  // (g = −1000) would leave a float no digits for the weak ones between them.
  double decays[kDeltaChunk];
  float* system;  // [C][C]     A below the diagonal
  float* scores;  // [C][C]     (q_i·k_j)·D_ij on and below the diagonal
  float* keys;    // [C][dk]    Wm = (I + A)⁻¹ diag(β e^G) K
  float* values;  // [C][dv]    U = (I + A)⁻¹ diag(β) V, then N = U − Wm·S

  ChunkScratch(float* scratch, int64_t key_dim)
      : system(scratch),
        scores(system + kDeltaChunk * kDeltaChunk),
        keys(scores + kDeltaChunk * kDeltaChunk),
        values(keys + kDeltaChunk * key_dim) {}
};

float decay_of(double log_decay) { return std::exp(static_cast<float>(log_decay)); }

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// The chunk's tokens from `first`, n of them.
struct Chunk {
  const DeltaHead& head;
  int64_t first;
  int64_t n;

  const float* q(int64_t i) const { return head.q + (first + i) * head.qk_stride; }
  const float* k(int64_t i) const { return head.k + (first + i) * head.qk_stride; }
  const float* v(int64_t i) const { return head.v + (first + i) * head.v_stride; }
  float* o(int64_t i) const { return head.output + (first + i) * head.output_stride; }
  float log_decay(int64_t i) const { return head.log_decay[(first + i) * head.gate_stride]; }
  float beta(int64_t i) const { return head.beta[(first + i) * head.gate_stride]; }
};

/// Fills decays, system and scores, and the right-hand sides into keys and values.
void chunk_products(const Chunk& chunk, ChunkScratch& s) {
  const int64_t key_dim = chunk.head.key_dim;
  double total = 0;
  for (int64_t i = 0; i < chunk.n; ++i) {
    total += static_cast<double>(chunk.log_decay(i));
    s.decays[i] = total;
    const float beta = chunk.beta(i);
    for (int64_t j = 0; j <= i; ++j) {
      // The difference is at most 0: forming the quotient of two exponentials would overflow.
      const float decay = decay_of(s.decays[i] - s.decays[j]);
      s.system[i * kDeltaChunk + j] = beta * dot(chunk.k(i), chunk.k(j), key_dim) * decay;
      s.scores[i * kDeltaChunk + j] = dot(chunk.q(i), chunk.k(j), key_dim) * decay;
    }
    const float key_factor = beta * decay_of(s.decays[i]);
    for (int64_t d = 0; d < key_dim; ++d) s.keys[i * key_dim + d] = key_factor * chunk.k(i)[d];
    for (int64_t c = 0; c < chunk.head.columns; ++c) {
      s.values[i * chunk.head.columns + c] = beta * chunk.v(i)[c];
    }
  }
}

/// rows ← (I + A)⁻¹ rows by forward substitution; width values a row.
void solve(const Chunk& chunk, const float* system, int64_t width, float* rows) {
  for (int64_t i = 1; i < chunk.n; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      const float factor = system[i * kDeltaChunk + j];
      for (int64_t c = 0; c < width; ++c) rows[i * width + c] -= factor * rows[j * width + c];
    }
  }
}

/// N, the outputs and the new state of one block of columns.
void chunk_block(const Chunk& chunk, const ChunkScratch& s, int64_t block) {
  const DeltaHead& head = chunk.head;
  const int64_t columns = block_columns(head, block);
  const int64_t at = block * kStateColumns;
  float* state = head.state + block * head.key_dim * kStateColumns;
  for (int64_t i = 0; i < chunk.n; ++i) {
    float read_key[kStateColumns] = {};
    float read_query[kStateColumns] = {};
    for (int64_t d = 0; d < head.key_dim; ++d) {
      const float* row = state + d * kStateColumns;
      for (int64_t c = 0; c < kStateColumns; ++c) {
        read_key[c] += s.keys[i * head.key_dim + d] * row[c];
        read_query[c] += chunk.q(i)[d] * row[c];
      }
    }
    const float decay = decay_of(s.decays[i]);
    for (int64_t c = 0; c < columns; ++c) {
      s.values[i * head.columns + at + c] -= read_key[c];
      chunk.o(i)[at + c] = decay * read_query[c];
    }
    for (int64_t j = 0; j <= i; ++j) {
      const float score = s.scores[i * kDeltaChunk + j];
      for (int64_t c = 0; c < columns; ++c) {
        chunk.o(i)[at + c] += score * s.values[j * head.columns + at + c];
      }
    }
  }
  const double last = s.decays[chunk.n - 1];
  const float decay = decay_of(last);
  for (int64_t e = 0; e < head.key_dim * kStateColumns; ++e) state[e] *= decay;
  for (int64_t j = 0; j < chunk.n; ++j) {
    const float rest = decay_of(last - s.decays[j]);
    for (int64_t d = 0; d < head.key_dim; ++d) {
      const float factor = rest * chunk.k(j)[d];
      for (int64_t c = 0; c < columns; ++c) {
        state[d * kStateColumns + c] += factor * s.values[j * head.columns + at + c];
      }
    }
  }
}

}  // namespace

void delta_gates(const DeltaGates& gates) {
  for (int64_t t = 0; t < gates.tokens; ++t) {
    const float x = gates.a[t * gates.stride] + gates.bias;
    // log(1 + e^x), without an e^x that overflows.
    const float softplus = std::fmax(x, 0.0f) + std::log1p(std::exp(-std::fabs(x)));
    gates.log_decay[t] = gates.rate * softplus;
    gates.beta[t] = 1.0f / (1.0f + std::exp(-gates.b[t * gates.stride]));
  }
}

void delta_recurrent(const DeltaHead& head) {
  for (int64_t block = 0; block < block_count(head); ++block) {
    recurrent_block(head, block, block_columns(head, block));
  }
}

void delta_chunked(const DeltaHead& head, float* scratch) {
  ChunkScratch s(scratch, head.key_dim);
  for (int64_t first = 0; first < head.tokens; first += kDeltaChunk) {
    const int64_t left = head.tokens - first;
    const Chunk chunk{head, first, left < kDeltaChunk ? left : kDeltaChunk};
    chunk_products(chunk, s);
    solve(chunk, s.system, head.key_dim, s.keys);
    solve(chunk, s.system, head.columns, s.values);
    for (int64_t block = 0; block < block_count(head); ++block) chunk_block(chunk, s, block);
  }
}

}  // namespace hearth::reference
