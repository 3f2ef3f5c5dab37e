#include "model/memory_ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace hearth {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr uint64_t kSmallWeights = kGib;     // below, the page cache will do
constexpr double kMostlyCached = 0.9;        // from here on, reading again would only cost time
constexpr double kMarginShare = 0.05;        // of what is needed, left free by `auto`
constexpr int64_t kWorkerScratch = 3 << 19;  // bytes, above what any kernel and panel takes

uint64_t count(int64_t value) { return static_cast<uint64_t>(value); }

/// What a backend takes for passes within the limits: activations of a linear layer and of experts
/// in float and in int8 with scales, convolution outputs, queries, routing. From above.
uint64_t backend_scratch(const BackendLimits& limits, int threads) {
  const int64_t slots = limits.experts_per_token + 1;
  const int64_t a_token = limits.columns * 2 + slots * limits.expert_width * 6 +
                          limits.delta.channels() * 4 + limits.attention.queries() * 4 +
                          limits.delta.value_heads * 8 + limits.experts * 4 + slots * 64;
  const AttentionGeometry& attention = limits.attention;
  // Rows of 16 tokens of a KV head, for a worker's own work and some twenty spans.
  const int64_t rows = attention.kv_heads == 0 ? 0 : 24 * 16 * 4 * attention.group();
  const int64_t a_worker = kWorkerScratch + rows * (attention.head_dim + 2) +
                           4 * delta_chunk_scratch(limits.delta.key_dim, limits.delta.value_dim);
  return count(limits.tokens * a_token + threads * a_worker + limits.experts * 256);
}

double gib(uint64_t bytes) { return static_cast<double>(bytes) / kGib; }

}  // namespace

uint64_t MemoryLedger::anonymous_bytes(Residency with) const {
  return (with == Residency::kResident ? weight_bytes : 0) + requantised_bytes + state_bytes() +
         kv_bytes + scratch_bytes;
}

uint64_t MemoryLedger::anonymous_bytes() const { return anonymous_bytes(residency); }

ModelOutline outline_of(const ModelFiles& files) {
  ModelOutline outline{.config = files.config(), .weights = files.weights()};
  for (const FileRange& range : files.ranges()) outline.weight_bytes += range.bytes;
  return outline;
}

MemoryLedger make_ledger(const ModelOutline& model, const ModelOptions& options,
                         Residency residency, const RunNeeds& needs, int threads,
                         uint64_t available) {
  const StateShape shape = state_shape_of(model.config, options);
  const int64_t tokens = std::max(needs.chunk_tokens, needs.logit_rows);
  return {
      .residency = residency,
      .weight_bytes = model.weight_bytes,
      .requantised_bytes = planned_copies(model.weights, options.head, options.dense),
      .state_bytes_per_sequence = count(shape.fixed_floats()) * sizeof(float),
      .kv_type = shape.attention.kv_type,
      .kv_bytes_per_1k_tokens = count(shape.page_bytes()) * 1000 / kKvPageTokens,
      .kv_bytes = count(shape.pages(needs.context_tokens) * shape.page_bytes()),
      .scratch_bytes = workspace_bytes(model.config, shape, needs.chunk_tokens, needs.logit_rows) +
                       backend_scratch(backend_limits(model.config, shape, tokens), threads),
      .available_bytes = available,
      .needs = needs};
}

MemoryLedger make_ledger(const ModelFiles& files, const ModelOptions& options, Residency residency,
                         const RunNeeds& needs, int threads, uint64_t available) {
  return make_ledger(outline_of(files), options, residency, needs, threads, available);
}

std::string fit_advice(const MemoryLedger& ledger, const ModelOptions& options) {
  std::string advice;
  if (ledger.anonymous_bytes() <= ledger.available_bytes) return advice;
  const auto add = [&](const std::string& flag) { advice += (advice.empty() ? "" : ", ") + flag; };
  uint64_t least = ledger.anonymous_bytes();
  if (ledger.residency == Residency::kResident) {
    add(fmt::format("--residency mapped (−{:.2f} GiB)", gib(ledger.weight_bytes)));
    least -= ledger.weight_bytes;
  }
  if (ledger.requantised_bytes > 0 && least > ledger.available_bytes) {
    if (options.head != HeadBits::kCheckpoint) add("--head bf16");
    if (options.dense != DenseBits::kCheckpoint) add("--dense checkpoint");
    least -= ledger.requantised_bytes;
  }
  if (least > ledger.available_bytes && ledger.kv_type == KvType::kBf16) add("--kv int8");
  if (least > ledger.available_bytes) {
    const uint64_t others = least - ledger.kv_bytes;
    const uint64_t room = ledger.available_bytes > others ? ledger.available_bytes - others : 0;
    const uint64_t per_1k = std::max<uint64_t>(ledger.kv_bytes_per_1k_tokens, 1);
    if (room > 0) {
      add(fmt::format("a context of at most {} tokens (-n, a shorter prompt)",
                      room * 1000 / per_1k / kKvPageTokens * kKvPageTokens));
    } else {
      add("a smaller --chunk, a shorter context (-n) and fewer sequences, or more memory");
    }
  }
  return advice;
}

void require_fit(const MemoryLedger& ledger, const ModelOptions& options) {
  if (ledger.anonymous_bytes() <= ledger.available_bytes) return;
  throw MemoryError(fmt::format(
      "{:.2f} GiB of memory are needed ({:.2f} weights{}, {:.2f} re-quantised, {:.2f} state, "
      "{:.2f} "
      "keys and values for {} tokens, {:.2f} scratch), and {:.2f} GiB are available. It would fit "
      "with: {}.",
      gib(ledger.anonymous_bytes()),
      ledger.residency == Residency::kResident ? gib(ledger.weight_bytes) : 0.0,
      ledger.residency == Residency::kResident ? "" : ", which are mapped",
      gib(ledger.requantised_bytes), gib(ledger.state_bytes()), gib(ledger.kv_bytes),
      ledger.needs.context_tokens, gib(ledger.scratch_bytes), gib(ledger.available_bytes),
      fit_advice(ledger, options)));
}

Residency choose_residency(const MemoryLedger& ledger, double cached_share) {
  if (ledger.weight_bytes < kSmallWeights || cached_share >= kMostlyCached) {
    return Residency::kMapped;
  }
  const uint64_t needed = ledger.anonymous_bytes(Residency::kResident);
  const uint64_t margin =
      std::max(kGib, static_cast<uint64_t>(kMarginShare * static_cast<double>(needed)));
  return needed + margin <= ledger.available_bytes ? Residency::kResident : Residency::kMapped;
}

}  // namespace hearth
