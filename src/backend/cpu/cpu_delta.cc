// Gated DeltaNet on the CPU: convolution per key head, gates and normalisation per token, the
// recurrence per value head (and, for many tokens, per block of its value columns, which are
// independent of each other: the block then stays in the first-level cache for the whole segment).
#include <cmath>

#include "backend/cpu/cpu_backend.h"

namespace hearth {
namespace {

float softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

}  // namespace

void CpuBackend::delta_conv_head(const GatedDeltaTask& task, const DeltaSegment& segment,
                                 int64_t key_head) noexcept {
  const DeltaGeometry& g = task.geometry;
  const int64_t values = g.group() * g.value_dim;    // of the value heads of this key head
  const int64_t group = 2 * g.key_dim + 2 * values;  // projected values of one key head
  const float* input = task.qkvz + segment.rows.first_row * g.projected() + key_head * group;
  float* output = conv_.as<float>() + segment.rows.first_row * g.channels();
  const auto run = [&](int64_t from, int64_t channel, int64_t channels) {
    kernels_.conv_silu({.input = input + from,
                        .input_stride = g.projected(),
                        .weights = task.conv_weights + channel,
                        .weight_stride = g.channels(),
                        .history = segment.conv + channel,
                        .output = output + channel,
                        .output_stride = g.channels(),
                        .tokens = segment.rows.tokens,
                        .channels = channels,
                        .taps = g.taps});
  };
  const int64_t query_channel = key_head * g.key_dim;
  const int64_t key_channel = g.keys() + query_channel;
  run(0, query_channel, g.key_dim);
  run(g.key_dim, key_channel, g.key_dim);
  run(2 * g.key_dim, 2 * g.keys() + key_head * values, values);

  const float query_scale = 1.0f / std::sqrt(static_cast<float>(g.key_dim));
  for (int64_t t = 0; t < segment.rows.tokens; ++t) {
    float* row = output + t * g.channels();
    kernels_.l2_normalize(row + query_channel, g.key_dim, query_scale, row + query_channel);
    kernels_.l2_normalize(row + key_channel, g.key_dim, 1.0f, row + key_channel);
  }
}

void CpuBackend::delta_gates(const GatedDeltaTask& task, int64_t row) noexcept {
  const DeltaGeometry& g = task.geometry;
  const float* ba = task.ba + row * 2 * g.value_heads;
  for (int64_t head = 0; head < g.value_heads; ++head) {
    // Per key head: b of its value heads, then a of them.
    const float* pair = ba + head / g.group() * 2 * g.group() + head % g.group();
    const int64_t at = row * g.value_heads + head;
    beta_[static_cast<size_t>(at)] = sigmoid(pair[0]);
    decay_[static_cast<size_t>(at)] =
        task.decay_rates[head] * softplus(pair[g.group()] + task.dt_bias[head]);
  }
}

void CpuBackend::delta_state(const GatedDeltaTask& task, const DeltaSegment& segment, int64_t head,
                             int64_t block, int64_t blocks, int worker) noexcept {
  const DeltaGeometry& g = task.geometry;
  const int64_t row = segment.rows.first_row;
  const int64_t column = block * kStateColumns;
  const int64_t key = head / g.group() * g.key_dim;
  const float* conv = conv_.as<float>() + row * g.channels();
  const DeltaHead call{
      .state = segment.recurrent + head * g.head_state() + block * g.key_dim * kStateColumns,
      .q = conv + key,
      .k = conv + g.keys() + key,
      .qk_stride = g.channels(),
      .v = conv + 2 * g.keys() + head * g.value_dim + column,
      .v_stride = g.channels(),
      .output = task.output + row * g.values() + head * g.value_dim + column,
      .output_stride = g.values(),
      .log_decay = decay_.data() + row * g.value_heads + head,
      .beta = beta_.data() + row * g.value_heads + head,
      .gate_stride = g.value_heads,
      .tokens = segment.rows.tokens,
      .key_dim = g.key_dim,
      .columns = std::min(blocks * kStateColumns, g.value_dim - column)};
  if (task.form == DeltaForm::kChunked && call.tokens > 1) {
    kernels_.delta_chunked(call, scratch(worker));
  } else {
    kernels_.delta_recurrent(call);
  }
}

void CpuBackend::delta_norm(const GatedDeltaTask& task, int64_t row) noexcept {
  const DeltaGeometry& g = task.geometry;
  const int64_t values = g.group() * g.value_dim;
  const int64_t group = 2 * g.key_dim + 2 * values;
  for (int64_t head = 0; head < g.value_heads; ++head) {
    const float* z = task.qkvz + row * g.projected() + head / g.group() * group + 2 * g.key_dim +
                     values + head % g.group() * g.value_dim;
    float* output = task.output + row * g.values() + head * g.value_dim;
    kernels_.gated_rms_norm(output, task.norm, z, g.value_dim, g.norm_eps, output);
  }
}

void CpuBackend::gated_delta(const GatedDeltaTask& task) noexcept {
  const DeltaGeometry& g = task.geometry;
  const int64_t segments = static_cast<int64_t>(task.segments.size());
  pool_.parallel_for(segments * g.key_heads, [&](int64_t item, int) {
    delta_conv_head(task, task.segments[static_cast<size_t>(item / g.key_heads)],
                    item % g.key_heads);
  });
  for (int64_t row = 0; row < task.tokens; ++row) delta_gates(task, row);

  // Whole heads stream better when there is one token a sequence; the chunked form shares its
  // products of keys among all columns of a head.
  const bool split = task.form == DeltaForm::kRecurrent && task.tokens > segments;
  const int64_t blocks = split ? 2 : g.state_blocks();
  const int64_t parts = (g.state_blocks() + blocks - 1) / blocks;
  const int64_t items = g.value_heads * parts;
  pool_.parallel_for(segments * items, [&](int64_t item, int worker) {
    const int64_t head = item % items / parts;
    delta_state(task, task.segments[static_cast<size_t>(item / items)], head, item % parts * blocks,
                blocks, worker);
  });
  pool_.parallel_for(task.tokens, [&](int64_t row, int) { delta_norm(task, row); });
}

}  // namespace hearth
