#include "app/predict_models.h"

#include <fmt/format.h>

#include <array>

#include "app/synth_plan.h"
#include "base/check.h"
#include "base/error.h"

namespace hearth {
namespace {

constexpr std::array kKnown = {
    KnownCheckpoint{"instruct-int4-mixed",
                    "Qwen3-Next-80B-A3B Instruct or Thinking, AutoRound int4-mixed (2026)",
                    Recipe::kInt4Mixed},
    KnownCheckpoint{"instruct-int4-mixed-old",
                    "Qwen3-Next-80B-A3B Instruct or Thinking, AutoRound int4-mixed (2025)",
                    Recipe::kInt4MixedOld},
    KnownCheckpoint{"coder-next-int4", "Qwen3-Coder-Next, AutoRound int4", Recipe::kInt4},
    KnownCheckpoint{"instruct-gptq-int4", "Qwen3-Next-80B-A3B, GPTQ int4", Recipe::kGptqInt4},
    KnownCheckpoint{"instruct-bf16", "Qwen3-Next-80B-A3B as published, BF16", Recipe::kBf16},
};

/// Matrices of an outline point here: somewhere, and the head elsewhere than the embedding.
constexpr std::byte kPlaces[2] = {};

/// Makes every matrix in the layout that the recipe stores it in.
class Outliner {
 public:
  explicit Outliner(const SynthModel& model) : model_(model), config_(model.config) {}

  ModelWeights weights() const {
    ModelWeights weights;
    weights.embedding = plain(config_.vocab_size, config_.hidden_size);
    weights.head = linear(Component::kHead, config_.vocab_size, config_.hidden_size);
    weights.head.weights = config_.tied_embeddings ? weights.embedding.weights : &kPlaces[1];
    for (const MixerKind kind : config_.layers) weights.layers.push_back(layer(kind));
    return weights;
  }

 private:
  static QuantizedMatrix plain(int64_t rows, int64_t cols) {
    return {.layout = QuantLayout::kBf16, .rows = rows, .cols = cols, .weights = &kPlaces[0]};
  }

  QuantizedMatrix linear(Component component, int64_t rows, int64_t cols) const {
    ModuleSpec spec;
    spec.component = component;
    spec.linear = true;
    spec.rank = 2;
    spec.dims = {rows, cols, 0, 0};
    QuantizedMatrix matrix = plain(rows, cols);
    const int bits = stored_bits(model_, spec);
    if (bits == 16) return matrix;
    matrix.layout = bits == 4 ? QuantLayout::kW4KPacked : QuantLayout::kW8KPacked;
    matrix.group_size = model_.group_size;
    matrix.scales = reinterpret_cast<const uint16_t*>(&kPlaces[0]);  // symmetric: no zero points
    return matrix;
  }

  ExpertWeights expert(Component component, int64_t width) const {
    return {.gate = linear(component, width, config_.hidden_size),
            .up = linear(component, width, config_.hidden_size),
            .down = linear(component, config_.hidden_size, width)};
  }

  LayerWeights layer(MixerKind kind) const {
    const int64_t hidden = config_.hidden_size;
    LayerWeights layer;
    if (kind == MixerKind::kGatedDelta) {
      const int64_t keys = config_.delta_keys();
      const int64_t values = config_.delta_values();
      layer.delta.qkvz = linear(Component::kDeltaNet, 2 * keys + 2 * values, hidden);
      layer.delta.ba = linear(Component::kDeltaNet, 2 * config_.delta_value_heads, hidden);
      layer.delta.out = linear(Component::kDeltaNet, hidden, values);
    } else {
      const int64_t queries = config_.query_heads * config_.head_dim;
      const int64_t kv = config_.kv_heads * config_.head_dim;
      layer.attention.query_gate = linear(Component::kAttention, 2 * queries, hidden);
      layer.attention.key = linear(Component::kAttention, kv, hidden);
      layer.attention.value = linear(Component::kAttention, kv, hidden);
      layer.attention.out = linear(Component::kAttention, hidden, queries);
    }
    layer.moe.router = linear(Component::kRouters, config_.expert_count, hidden);
    layer.moe.shared_gate = linear(Component::kRouters, 1, hidden);
    layer.moe.shared = expert(Component::kSharedExperts, config_.shared_expert_dim);
    layer.moe.experts.assign(static_cast<size_t>(config_.expert_count),
                             expert(Component::kRoutedExperts, config_.expert_dim));
    return layer;
  }

  const SynthModel& model_;
  const ModelConfig& config_;
};

/// Of the shards that hold the model itself, without the MTP layer.
uint64_t file_bytes(const SynthModel& model) {
  uint64_t bytes = plan_checkpoint(model).totals(false).bytes;
  if (model.recipe != Recipe::kBf16) return bytes;  // the others keep MTP apart, or not at all
  for (const ModuleSpec& spec : qwen3_next_modules(model.config, true)) {
    if (!spec.mtp) continue;
    uint64_t values = 1;
    for (const int64_t dim : spec.shape()) values *= static_cast<uint64_t>(dim);
    bytes -= values * sizeof(uint16_t);
  }
  return bytes;
}

}  // namespace

std::span<const KnownCheckpoint> known_checkpoints() { return kKnown; }

std::string known_checkpoint_names() {
  std::string names;
  for (const KnownCheckpoint& known : kKnown) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  }
  return names;
}

const KnownCheckpoint& find_known_checkpoint(std::string_view name) {
  for (const KnownCheckpoint& known : kKnown) {
    if (known.name == name) return known;
  }
  throw UsageError(
      fmt::format("--preset: there is no \"{}\"; there are {}.", name, known_checkpoint_names()));
}

ModelOutline outline_of(const SynthModel& model) {
  return {.config = model.config,
          .weights = Outliner(model).weights(),
          .weight_bytes = file_bytes(model)};
}

ModelOutline outline_of(const KnownCheckpoint& checkpoint) {
  std::optional<SynthModel> model = find_preset("qwen3-next-80b");
  CHECK(model.has_value());
  model->recipe = checkpoint.recipe;
  return outline_of(*model);
}

}  // namespace hearth
