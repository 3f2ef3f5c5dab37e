// Gated attention on the CPU: norm, RoPE and the cache write of every token, then attention over
// the pages of its sequence. Both are done in units (attention_scratch.h): a unit's queries meet a
// page while it is in a cache. Where there are few units, as with single tokens, workers share the
// spans of their contexts.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backend/cpu/cpu_backend.h"

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

/// A number to bf16, rounded to even; without a branch for NaN, compilers use vectors.
uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

/// One token's key or value of a page, and where its page keeps it.
struct CachedHead {
  const float* values;  // [head_dim]
  int64_t head_dim;
  int64_t token;  // in the page
  std::byte* page;
};

/// Elements of a page that lie next to each other: single floats, pairs of all else (KvType).
template <typename Element>
constexpr int64_t kPacked = sizeof(Element) == sizeof(float) ? 1 : 2;

/// Keys: pairs of dimensions, tokens in between.
template <typename Element, typename Convert>
void store_key(const CachedHead& head, const Convert& convert) {
  constexpr int64_t P = kPacked<Element>;
  Element* target = reinterpret_cast<Element*>(head.page) + P * head.token;
  for (int64_t d = 0; d < head.head_dim; d += P, target += P * kKvPageTokens) {
    for (int64_t i = 0; i < P; ++i) target[i] = convert(head.values[d + i]);
  }
}

/// Values: pairs of tokens.
template <typename Element, typename Convert>
void store_value(const CachedHead& head, const Convert& convert) {
  constexpr int64_t P = kPacked<Element>;
  Element* target =
      reinterpret_cast<Element*>(head.page) + (head.token / P * head.head_dim * P + head.token % P);
  for (int64_t d = 0; d < head.head_dim; ++d) target[P * d] = convert(head.values[d]);
}

void store(const CachedHead& head, KvType type, bool is_value) {
  const auto put = [&]<typename Element>(Element, const auto& convert) {
    if (is_value) store_value<Element>(head, convert);
    else store_key<Element>(head, convert);
  };
  if (type == KvType::kF32) {
    put(float{}, [](float v) { return v; });
  } else if (type == KvType::kBf16) {
    put(uint16_t{}, to_bf16);
  } else {
    float largest = 0;
    for (int64_t d = 0; d < head.head_dim; ++d) {
      largest = std::max(largest, std::fabs(head.values[d]));
    }
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    put(int8_t{}, [inverse](float v) { return static_cast<int8_t>(std::lrint(v * inverse)); });
    float* scales = reinterpret_cast<float*>(head.page + kKvPageTokens * head.head_dim);
    scales[head.token] = largest / 127.0f;
  }
}

/// A page's keys or values of one head.
std::byte* page_part(const AttentionGeometry& g, const AttentionUnit& unit, int64_t page,
                     bool is_value) {
  return unit.segment->pages[page] + unit.segment->layer_offset +
         (2 * unit.kv_head + (is_value ? 1 : 0)) * g.head_bytes();
}

void start(const AttentionGeometry& g, int64_t rows, const AttentionRows& state) {
  std::fill_n(state.maxima, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(state.sums, rows, 0.0f);
  std::fill_n(state.output, rows * g.head_dim, 0.0f);
}

/// Adds a later span to the rows' total.
void merge(const AttentionGeometry& g, int64_t rows, const AttentionRows& span,
           const AttentionRows& total) {
  for (int64_t r = 0; r < rows; ++r) {
    const float largest = std::max(total.maxima[r], span.maxima[r]);
    const float before = std::exp(total.maxima[r] - largest);
    const float added = std::exp(span.maxima[r] - largest);
    total.maxima[r] = largest;
    total.sums[r] = total.sums[r] * before + span.sums[r] * added;
    float* output = total.output + r * g.head_dim;
    const float* more = span.output + r * g.head_dim;
    for (int64_t d = 0; d < g.head_dim; ++d) output[d] = output[d] * before + more[d] * added;
  }
}

int64_t unit_blocks(const AttentionSegment& segment) {
  const int64_t last = segment.position + segment.rows.tokens - 1;
  return last / kUnitTokens - segment.position / kUnitTokens + 1;
}

int64_t query_index(const GatedAttentionTask& task, const AttentionUnit& unit, int64_t token) {
  const AttentionGeometry& g = task.geometry;
  return (unit.kv_head * task.tokens + unit.row() + token) * g.group() * g.head_dim;
}

}  // namespace

AttentionUnit CpuBackend::attention_unit(const GatedAttentionTask& task,
                                         int64_t index) const noexcept {
  const AttentionSegment* segment = task.segments.data();
  const int64_t kv_heads = task.geometry.kv_heads;
  while (index >= unit_blocks(*segment) * kv_heads) index -= unit_blocks(*segment++) * kv_heads;
  const int64_t block = segment->position / kUnitTokens + index / kv_heads;
  const int64_t end = segment->position + segment->rows.tokens;
  const int64_t first = std::max(block * kUnitTokens, segment->position);
  return {.segment = segment,
          .first = first - segment->position,
          .tokens = std::min((block + 1) * kUnitTokens, end) - first,
          .kv_head = index % kv_heads};
}

void CpuBackend::attention_inputs(const GatedAttentionTask& task, const AttentionUnit& unit,
                                  int worker) noexcept {
  const AttentionGeometry& g = task.geometry;
  const int64_t half = g.rotary_dim / 2;
  const float scale = 1.0f / std::sqrt(static_cast<float>(g.head_dim));
  float* head = AttentionScratch(g, scratch(worker)).head;
  for (int64_t t = 0; t < unit.tokens; ++t) {
    const int64_t row = unit.row() + t;
    const float* cosines = task.rope_cos + row * half;
    const float* sines = task.rope_sin + row * half;
    const int64_t query = query_index(task, unit, t);
    for (int64_t h = 0; h < g.group(); ++h) {
      const float* projected =
          task.query_gate + row * 2 * g.queries() + (unit.kv_head * g.group() + h) * 2 * g.head_dim;
      kernels_.rms_norm(projected, task.query_norm, g.head_dim, g.norm_eps, head);
      rotate(head, cosines, sines, half);
      float* floats = queries_.as<float>() + query + h * g.head_dim;
      uint16_t* halves = queries_.as<uint16_t>() + query + h * g.head_dim;
      if (g.kv_type == KvType::kF32) {
        for (int64_t d = 0; d < g.head_dim; ++d) floats[d] = head[d] * scale;
      } else {
        for (int64_t d = 0; d < g.head_dim; ++d) halves[d] = to_bf16(head[d] * scale);
      }
    }
    const int64_t page = (unit.position() + t) / kKvPageTokens;
    const int64_t token = (unit.position() + t) % kKvPageTokens;
    float* key = task.keys + row * g.kv() + unit.kv_head * g.head_dim;
    const float* value = task.values + row * g.kv() + unit.kv_head * g.head_dim;
    kernels_.rms_norm(key, task.key_norm, g.head_dim, g.norm_eps, key);
    rotate(key, cosines, sines, half);
    store({key, g.head_dim, token, page_part(g, unit, page, false)}, g.kv_type, false);
    store({value, g.head_dim, token, page_part(g, unit, page, true)}, g.kv_type, true);
  }
}

void CpuBackend::attend_page(const GatedAttentionTask& task, const AttentionUnit& unit,
                             int64_t page, const AttentionRows& rows, int worker) noexcept {
  const AttentionGeometry& g = task.geometry;
  const int64_t query = query_index(task, unit, 0);
  AttentionBlock block{.q = queries_.as<uint16_t>() + query,
                       .keys = page_part(g, unit, page, false),
                       .values = page_part(g, unit, page, true),
                       .visible = unit.position() + 1 - page * kKvPageTokens,
                       .queries = unit.tokens,
                       .heads = g.group(),
                       .head_dim = g.head_dim,
                       .maxima = rows.maxima,
                       .sums = rows.sums,
                       .output = rows.output};
  const int64_t last = (unit.position() + unit.tokens - 1) / kKvPageTokens;
  if (page < last) block.next_keys = page_part(g, unit, page + 1, false);
  if (g.kv_type == KvType::kF32) {
    block.q = queries_.as<float>() + query;
    kernels_.attend_f32(block);
    return;
  }
  if (g.kv_type == KvType::kInt8) {
    const AttentionScratch wide(g, scratch(worker));
    const int64_t count = kKvPageTokens * g.head_dim;
    const int8_t* keys = static_cast<const int8_t*>(block.keys);
    const int8_t* values = static_cast<const int8_t*>(block.values);
    kernels_.widen_int8(keys, count, wide.keys);
    kernels_.widen_int8(values, count, wide.values);
    block.keys = wide.keys;
    block.values = wide.values;
    block.key_scales = reinterpret_cast<const float*>(keys + count);
    block.value_scales = reinterpret_cast<const float*>(values + count);
  }
  kernels_.attend_bf16(block);
}

void CpuBackend::attend_span(const GatedAttentionTask& task, const AttentionUnit& unit,
                             int64_t span, const AttentionRows& rows, int worker) noexcept {
  start(task.geometry, unit.tokens * task.geometry.group(), rows);
  const int64_t last = (unit.position() + unit.tokens - 1) / kKvPageTokens;
  const int64_t end = std::min((span + 1) * kSpanPages, last + 1);
  for (int64_t page = span * kSpanPages; page < end; ++page) {
    attend_page(task, unit, page, rows, worker);
  }
}

void CpuBackend::attention_output(const GatedAttentionTask& task, const AttentionUnit& unit,
                                  const AttentionRows& rows) noexcept {
  const AttentionGeometry& g = task.geometry;
  for (int64_t r = 0; r < unit.tokens * g.group(); ++r) {
    const int64_t token = unit.row() + r / g.group();
    const int64_t head = unit.kv_head * g.group() + r % g.group();
    const float* gate =
        task.query_gate + token * 2 * g.queries() + head * 2 * g.head_dim + g.head_dim;
    const float* mixed = rows.output + r * g.head_dim;
    float* output = task.output + token * g.queries() + head * g.head_dim;
    const float inverse = 1.0f / rows.sums[r];
    for (int64_t d = 0; d < g.head_dim; ++d) output[d] = mixed[d] * inverse;
    kernels_.sigmoid_gate(output, gate, g.head_dim);
  }
}

void CpuBackend::attend_unit(const GatedAttentionTask& task, const AttentionUnit& unit,
                             int worker) noexcept {
  const AttentionGeometry& g = task.geometry;
  const AttentionScratch work(g, scratch(worker));
  attend_span(task, unit, 0, work.total, worker);
  for (int64_t span = 1; span < unit.spans(); ++span) {
    attend_span(task, unit, span, work.span, worker);
    merge(g, unit.tokens * g.group(), work.span, work.total);
  }
  attention_output(task, unit, work.total);
}

void CpuBackend::attend_split(const GatedAttentionTask& task, int64_t units) noexcept {
  const AttentionGeometry& g = task.geometry;
  float* const memory = span_rows_.as<float>();
  const auto total = [&](int64_t unit) {
    return AttentionRows(g, memory + unit * AttentionRows::floats(g));
  };
  const auto partial = [&](int64_t item) { return total(units + item); };
  const auto unit_of = [&](int64_t i) -> AttentionUnit& { return units_[static_cast<size_t>(i)]; };
  const auto item_of = [&](int64_t i) -> AttentionSpan& {
    return span_items_[static_cast<size_t>(i)];
  };
  for (int64_t i = 0; i < units; ++i) unit_of(i) = attention_unit(task, i);
  // First spans go to the totals themselves; they share a loop with the first further ones.
  int64_t firsts = units;
  AttentionSpan next{0, 1};
  do {
    int64_t items = 0;
    for (; next.unit < units; next = {next.unit + 1, 1}) {
      const int64_t spans = unit_of(next.unit).spans();
      const int64_t room = static_cast<int64_t>(span_items_.size());
      for (; next.span < spans && items < room; ++next.span) item_of(items++) = next;
      if (next.span < spans) break;
    }
    pool_.parallel_for(firsts + items, [&](int64_t i, int worker) {
      if (i < firsts) return attend_span(task, unit_of(i), 0, total(i), worker);
      const AttentionSpan& item = item_of(i - firsts);
      attend_span(task, unit_of(item.unit), item.span, partial(i - firsts), worker);
    });
    firsts = 0;
    pool_.parallel_for(items > 0 ? units : 0, [&](int64_t unit, int) {
      for (int64_t i = 0; i < items; ++i) {
        if (item_of(i).unit != unit) continue;
        merge(g, unit_of(unit).tokens * g.group(), partial(i), total(unit));
      }
    });
  } while (next.unit < units);
  pool_.parallel_for(
      units, [&](int64_t unit, int) { attention_output(task, unit_of(unit), total(unit)); });
}

void CpuBackend::gated_attention(const GatedAttentionTask& task) noexcept {
  int64_t units = 0;
  bool long_context = false;
  for (const AttentionSegment& segment : task.segments) {
    units += unit_blocks(segment) * task.geometry.kv_heads;
    long_context = long_context || segment.position + segment.rows.tokens > kSpanTokens;
  }
  pool_.parallel_for(units, [&](int64_t unit, int worker) {
    attention_inputs(task, attention_unit(task, unit), worker);
  });
  if (long_context && units <= static_cast<int64_t>(units_.size())) {
    attend_split(task, units);
    return;
  }
  // Late tokens attend to more: hand them out first, so that no worker is left with the longest.
  pool_.parallel_for(units, [&](int64_t unit, int worker) {
    attend_unit(task, attention_unit(task, units - 1 - unit), worker);
  });
}

}  // namespace hearth
