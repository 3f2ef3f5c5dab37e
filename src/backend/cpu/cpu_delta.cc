// Gated DeltaNet on the CPU. Nothing of a key head depends on another one, so a worker takes a key
// head of a sequence through everything: convolution of its q, k and v, gates, the states of its
// value heads, norm. It does so for a chunk of tokens at a time, whose intermediate values then
// stay in the second-level cache. There is one loop, and one barrier, even for a single token.
#include <algorithm>
#include <array>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/delta_scratch.h"

namespace hearth {
namespace {

constexpr int64_t kLineFloats = 16;
/// How far ahead of the norm its rows are asked for: they are too far apart for the processor to
/// foresee the next one.
constexpr int64_t kFetchedTokens = 8;

/// Up to kDeltaChunk tokens of a segment, in one key head.
struct KeyHeadChunk {
  const GatedDeltaTask& task;
  const DeltaSegment& segment;
  DeltaScratch scratch;
  int64_t key_head = 0;
  int64_t row = 0;  // of the first token
  int64_t tokens = 0;

  const DeltaGeometry& geometry() const { return task.geometry; }
  /// The first token's q, k, v of the value heads, z of the value heads.
  const float* projected() const {
    const DeltaGeometry& g = task.geometry;
    return task.qkvz + row * g.projected() + key_head * (g.projected() / g.key_heads);
  }
  /// The state of one of the key head's value heads.
  float* state(int64_t member) const {
    const DeltaGeometry& g = task.geometry;
    return segment.recurrent + (key_head * g.group() + member) * g.head_state();
  }
};

/// Asks for the cache lines of `count` floats that are going to be read.
void fetch(const float* values, int64_t count) {
  for (int64_t i = 0; i < count; i += kLineFloats) __builtin_prefetch(values + i, 0);
}

/// The same for those that are going to be written.
void fetch_to_write(float* values, int64_t count) {
  for (int64_t i = 0; i < count; i += kLineFloats) __builtin_prefetch(values + i, 1);
}

/// The channels of the convolution that make a key head's q, k and v, and where they are in a group
/// of qkvz.
struct Channels {
  int64_t from;
  int64_t channel;
  int64_t count;
};

std::array<Channels, 3> channels_of(const DeltaGeometry& g, int64_t key_head) {
  const int64_t values = g.group() * g.value_dim;
  return {{{0, key_head * g.key_dim, g.key_dim},
           {g.key_dim, g.keys() + key_head * g.key_dim, g.key_dim},
           {2 * g.key_dim, 2 * g.keys() + key_head * values, values}}};
}

/// What a single token waits for: weights and history of the convolution, and the first blocks of
/// state. The kernel fetches the blocks after them.
void fetch_single(const KeyHeadChunk& chunk) {
  const DeltaGeometry& g = chunk.geometry();
  for (const Channels& c : channels_of(g, chunk.key_head)) {
    for (int j = 0; j < g.taps; ++j) {
      fetch(chunk.task.conv_weights + j * g.channels() + c.channel, c.count);
      if (j > 0) fetch_to_write(chunk.segment.conv + (j - 1) * g.channels() + c.channel, c.count);
    }
  }
  fetch_to_write(chunk.state(0),
                 std::min<int64_t>(2, g.state_blocks()) * g.key_dim * kStateColumns);
}

/// The rows of scratch: q, k and v convolved, then q and k of length 1, and q scaled.
void convolve(const KernelSet& kernels, const KeyHeadChunk& chunk) {
  const DeltaGeometry& g = chunk.geometry();
  const DeltaScratch& scratch = chunk.scratch;
  for (const Channels& c : channels_of(g, chunk.key_head)) {
    kernels.conv_silu({.input = chunk.projected() + c.from,
                       .input_stride = g.projected(),
                       .weights = chunk.task.conv_weights + c.channel,
                       .weight_stride = g.channels(),
                       .history = chunk.segment.conv + c.channel,
                       .output = scratch.rows + c.from,
                       .output_stride = scratch.stride,
                       .tokens = chunk.tokens,
                       .channels = c.count,
                       .taps = g.taps});
  }
  const float query_scale = 1.0f / std::sqrt(static_cast<float>(g.key_dim));
  for (int64_t t = 0; t < chunk.tokens; ++t) {
    float* q = scratch.rows + t * scratch.stride;
    float* k = q + g.key_dim;
    kernels.l2_normalize(q, g.key_dim, query_scale, q);
    kernels.l2_normalize(k, g.key_dim, 1.0f, k);
  }
}

/// One value head: its gates, its state, the norm of what it reads.
void run_value_head(const KernelSet& kernels, const KeyHeadChunk& chunk, int64_t member) {
  const DeltaGeometry& g = chunk.geometry();
  const GatedDeltaTask& task = chunk.task;
  const DeltaScratch& scratch = chunk.scratch;
  const int64_t head = chunk.key_head * g.group() + member;
  // Per key head: b of its value heads, then a of them.
  const float* b =
      task.ba + chunk.row * 2 * g.value_heads + chunk.key_head * 2 * g.group() + member;
  kernels.delta_gates({.a = b + g.group(),
                       .b = b,
                       .stride = 2 * g.value_heads,
                       .rate = task.decay_rates[head],
                       .bias = task.dt_bias[head],
                       .tokens = chunk.tokens,
                       .log_decay = scratch.log_decay,
                       .beta = scratch.beta});
  const DeltaHead call{.state = chunk.state(member),
                       .q = scratch.rows,
                       .k = scratch.rows + g.key_dim,
                       .qk_stride = scratch.stride,
                       .v = scratch.rows + 2 * g.key_dim + member * g.value_dim,
                       .v_stride = scratch.stride,
                       .output = scratch.mixed,
                       .output_stride = g.value_dim,
                       .log_decay = scratch.log_decay,
                       .beta = scratch.beta,
                       .gate_stride = 1,
                       .tokens = chunk.tokens,
                       .key_dim = g.key_dim,
                       .columns = g.value_dim,
                       .next_state = member + 1 < g.group() ? chunk.state(member + 1) : nullptr};
  if (task.form == DeltaForm::kChunked && chunk.segment.rows.tokens > 1) {
    kernels.delta_chunked(call, scratch.chunked);
  } else {
    kernels.delta_recurrent(call);
  }
  const float* z = chunk.projected() + 2 * g.key_dim + (g.group() + member) * g.value_dim;
  float* output = task.output + chunk.row * g.values() + head * g.value_dim;
  for (int64_t t = 0; t < chunk.tokens; ++t) {
    if (t + kFetchedTokens < chunk.tokens) {
      fetch(z + (t + kFetchedTokens) * g.projected(), g.value_dim);
      fetch_to_write(output + (t + kFetchedTokens) * g.values(), g.value_dim);
    }
    kernels.gated_rms_norm(scratch.mixed + t * g.value_dim, task.norm, z + t * g.projected(),
                           g.value_dim, g.norm_eps, output + t * g.values());
  }
}

}  // namespace

void CpuBackend::delta_key_head(const GatedDeltaTask& task, const DeltaSegment& segment,
                                int64_t key_head, int worker) noexcept {
  const DeltaGeometry& g = task.geometry;
  KeyHeadChunk chunk{task, segment, DeltaScratch(g, scratch(worker)), key_head};
  if (segment.rows.tokens == 1) fetch_single(chunk);
  for (int64_t first = 0; first < segment.rows.tokens; first += kDeltaChunk) {
    chunk.row = segment.rows.first_row + first;
    chunk.tokens = std::min(kDeltaChunk, segment.rows.tokens - first);
    convolve(kernels_, chunk);
    for (int64_t member = 0; member < g.group(); ++member) run_value_head(kernels_, chunk, member);
  }
}

void CpuBackend::gated_delta(const GatedDeltaTask& task) noexcept {
  const int64_t key_heads = task.geometry.key_heads;
  const int64_t segments = static_cast<int64_t>(task.segments.size());
  pool_.parallel_for(segments * key_heads, [&](int64_t item, int worker) {
    delta_key_head(task, task.segments[static_cast<size_t>(item / key_heads)], item % key_heads,
                   worker);
  });
}

}  // namespace hearth
