// Gated attention on the CPU: norm, RoPE and the cache write per token, then attention per token
// and KV head over the pages of its sequence, 64 cached tokens at a time.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cpu/cpu_backend.h"
#include "base/half.h"

namespace hearth {
namespace {

/// Turns the pairs (i, i + half) of the first values of a head.
void rotate(float* head, const float* cosines, const float* sines, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[i + half];
    head[i] = a * cosines[i] - b * sines[i];
    head[i + half] = b * cosines[i] + a * sines[i];
  }
}

void store(const float* values, int64_t count, KvType type, std::byte* target) {
  if (type == KvType::kF32) {
    std::memcpy(target, values, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  uint16_t* halves = reinterpret_cast<uint16_t*>(target);
  for (int64_t i = 0; i < count; ++i) halves[i] = float_to_bf16(values[i]);
}

/// Where a layer's part of a page keeps the keys or values of one head: [kKvPageTokens][head_dim].
std::byte* head_rows(const AttentionGeometry& g, const AttentionSegment& segment, int64_t page,
                     int64_t kv_head, bool values) {
  const int64_t head_bytes = kKvPageTokens * g.head_dim * g.element_bytes();
  return segment.pages[page] + segment.layer_offset + (values ? g.page_bytes() / 2 : 0) +
         kv_head * head_bytes;
}

}  // namespace

void CpuBackend::attention_inputs(const GatedAttentionTask& task, const AttentionSegment& segment,
                                  int64_t token) noexcept {
  const AttentionGeometry& g = task.geometry;
  const int64_t row = segment.rows.first_row + token;
  const int64_t half = g.rotary_dim / 2;
  const float* cosines = task.rope_cos + row * half;
  const float* sines = task.rope_sin + row * half;
  const float scale = 1.0f / std::sqrt(static_cast<float>(g.head_dim));
  for (int64_t head = 0; head < g.query_heads; ++head) {
    float* query = queries_.as<float>() + row * g.queries() + head * g.head_dim;
    const float* projected = task.query_gate + row * 2 * g.queries() + head * 2 * g.head_dim;
    kernels_.rms_norm(projected, task.query_norm, g.head_dim, g.norm_eps, query);
    rotate(query, cosines, sines, half);
    for (int64_t i = 0; i < g.head_dim; ++i) query[i] *= scale;
  }
  const int64_t position = segment.position + token;
  const int64_t page = position / kKvPageTokens;
  const int64_t offset = position % kKvPageTokens * g.head_dim * g.element_bytes();
  for (int64_t head = 0; head < g.kv_heads; ++head) {
    float* key = task.keys + row * g.kv() + head * g.head_dim;
    kernels_.rms_norm(key, task.key_norm, g.head_dim, g.norm_eps, key);
    rotate(key, cosines, sines, half);
    store(key, g.head_dim, g.kv_type, head_rows(g, segment, page, head, false) + offset);
    store(task.values + row * g.kv() + head * g.head_dim, g.head_dim, g.kv_type,
          head_rows(g, segment, page, head, true) + offset);
  }
}

void CpuBackend::attention_heads(const GatedAttentionTask& task, const AttentionSegment& segment,
                                 int64_t token, int64_t kv_head, int worker) noexcept {
  const AttentionGeometry& g = task.geometry;
  const int64_t heads = g.query_heads / g.kv_heads;  // that share this KV head
  const int64_t first_head = kv_head * heads;
  const int64_t row = segment.rows.first_row + token;
  const int64_t cached = segment.position + token + 1;
  float* maxima = scratch(worker);
  float* sums = maxima + heads;
  float* mixed = sums + heads;  // [heads, head_dim]
  std::fill_n(maxima, heads, -std::numeric_limits<float>::infinity());
  std::fill_n(sums, heads, 0.0f);
  std::fill_n(mixed, heads * g.head_dim, 0.0f);
  for (int64_t begin = 0; begin < cached; begin += kKvPageTokens) {
    const int64_t page = begin / kKvPageTokens;
    kernels_.attend({.q = queries_.as<float>() + row * g.queries() + first_head * g.head_dim,
                     .q_stride = g.head_dim,
                     .keys = head_rows(g, segment, page, kv_head, false),
                     .values = head_rows(g, segment, page, kv_head, true),
                     .kv_type = g.kv_type,
                     .tokens = std::min(kKvPageTokens, cached - begin),
                     .head_dim = g.head_dim,
                     .heads = heads,
                     .maxima = maxima,
                     .sums = sums,
                     .output = mixed});
  }
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t head = first_head + h;
    const float* gate =
        task.query_gate + row * 2 * g.queries() + head * 2 * g.head_dim + g.head_dim;
    float* output = task.output + row * g.queries() + head * g.head_dim;
    const float inverse = 1.0f / sums[h];
    for (int64_t i = 0; i < g.head_dim; ++i) output[i] = mixed[h * g.head_dim + i] * inverse;
    kernels_.sigmoid_gate(output, gate, g.head_dim);
  }
}

void CpuBackend::gated_attention(const GatedAttentionTask& task) noexcept {
  const int64_t kv_heads = task.geometry.kv_heads;
  for (const AttentionSegment& segment : task.segments) {
    pool_.parallel_for(segment.rows.tokens,
                       [&](int64_t token, int) { attention_inputs(task, segment, token); });
    // Late tokens attend to more: hand them out first, so that no worker is left with the longest.
    const int64_t items = segment.rows.tokens * kv_heads;
    pool_.parallel_for(items, [&](int64_t item, int worker) {
      const int64_t reversed = items - 1 - item;
      attention_heads(task, segment, reversed / kv_heads, reversed % kv_heads, worker);
    });
  }
}

}  // namespace hearth
