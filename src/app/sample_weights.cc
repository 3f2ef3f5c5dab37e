#include "app/sample_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "app/synth_fill.h"
#include "base/error.h"
#include "base/half.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

constexpr size_t kPieceBytes = size_t{4} << 20;
constexpr int64_t kFewestExperts = 64;  // in memory: what a few tokens of a layer choose
constexpr size_t kAlign = 64;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

size_t code_bytes(const QuantizedMatrix& matrix) {
  return static_cast<size_t>(matrix.rows * matrix.cols * weight_bits(matrix.layout) / 8);
}

size_t scale_bytes(const QuantizedMatrix& matrix) {
  if (!is_packed(matrix.layout)) return 0;
  return static_cast<size_t>(matrix.cols / matrix.group_size * matrix.rows) * sizeof(uint16_t);
}

size_t zero_bytes(const QuantizedMatrix& matrix) {
  // One code for each scale.
  const size_t bits = static_cast<size_t>(weight_bits(matrix.layout));
  return matrix.zeros ? scale_bytes(matrix) / sizeof(uint16_t) * bits / 8 : 0;
}

size_t stored_bytes(const QuantizedMatrix& matrix) {
  return aligned(code_bytes(matrix)) + aligned(scale_bytes(matrix)) + aligned(zero_bytes(matrix));
}

size_t stored_bytes(const ExpertWeights& expert) {
  return stored_bytes(expert.gate) + stored_bytes(expert.up) + stored_bytes(expert.down);
}

/// Root mean square of the codes of symmetric quantization, as in synth_plan.cc.
double code_rms(int bits) {
  const double count = std::exp2(bits);
  return std::sqrt((count * count - 1) / 12 + 0.25);
}

/// Memory and what it is to be filled with, later and in parallel.
class Filler {
 public:
  Filler(Backend& backend, PageSize pages) : backend_(backend), pages_(pages) {}

  std::byte* take(size_t bytes) { return memory_.emplace_back(bytes, pages_).as<std::byte>(); }

  /// The same matrix with its content at `place`, where stored_bytes(like) are free. `gain`: size
  /// of its outputs for inputs of size 1.
  QuantizedMatrix matrix(const QuantizedMatrix& like, double gain, std::byte* place) {
    const double deviation = gain / std::sqrt(static_cast<double>(like.cols));
    QuantizedMatrix made = like;
    made.weights = place;
    if (!is_packed(like.layout)) {
      fill(place, code_bytes(like), values(like.layout, deviation));
      return made;
    }
    const int bits = weight_bits(like.layout);
    fill(place, code_bytes(like), {});
    place += aligned(code_bytes(like));
    made.scales = reinterpret_cast<const uint16_t*>(place);
    // Sizes even in [0.5, 1.5] have a root mean square of √(13/12).
    fill(place, scale_bytes(like),
         scales(like.scale_type, deviation / code_rms(bits) / std::sqrt(13.0 / 12.0)));
    if (!like.zeros) return made;
    place += aligned(scale_bytes(like));
    made.zeros = reinterpret_cast<const uint32_t*>(place);
    const uint32_t middle = (1u << (bits - 1)) - static_cast<uint32_t>(like.zero_offset);
    fill(place, zero_bytes(like),
         {.kind = Fill::Kind::kWord, .word = middle * (bits == 4 ? 0x11111111u : 0x01010101u)});
    return made;
  }

  QuantizedMatrix matrix(const QuantizedMatrix& like, double gain) {
    return matrix(like, gain, take(stored_bytes(like)));
  }

  ExpertWeights expert(const ExpertWeights& like, double out_gain, std::byte* place) {
    ExpertWeights made;
    made.gate = matrix(like.gate, 1, place);
    made.up = matrix(like.up, 1, place += stored_bytes(like.gate));
    made.down = matrix(like.down, out_gain, place += stored_bytes(like.up));
    return made;
  }

  std::deque<MemoryBlock> finish() {
    backend_.parallel(
        static_cast<int64_t>(pieces_.size()),
        [](void* context, int64_t index) {
          const Piece& piece =
              (*static_cast<std::vector<Piece>*>(context))[static_cast<size_t>(index)];
          fill_bytes(piece.fill, piece.seed, 0, piece.out);
        },
        &pieces_);
    return std::move(memory_);
  }

 private:
  struct Piece {
    Fill fill;
    uint64_t seed = 0;
    std::span<std::byte> out;
  };

  void fill(std::byte* place, size_t bytes, const Fill& fill) {
    for (size_t at = 0; at < bytes; at += kPieceBytes) {
      pieces_.push_back(
          {fill, tensor_seed(pieces_.size(), ""), {place + at, std::min(kPieceBytes, bytes - at)}});
    }
  }

  Fill from(std::pair<int, double> key, const auto& make) {
    std::shared_ptr<const ValueTable>& table = tables_[key];
    if (!table) table = std::make_shared<const ValueTable>(make());
    return {.kind = Fill::Kind::kTable, .table = table};
  }

  Fill values(QuantLayout layout, double deviation) {
    return from({static_cast<int>(layout), deviation}, [&] {
      ValueTable table = normal_table(0, static_cast<float>(deviation));
      if (layout == QuantLayout::kF16) {
        for (uint16_t& value : table) value = float_to_f16(bf16_to_float(value));
      }
      return table;  // as floats: two bf16 values, of which the lower is noise in the mantissa
    });
  }

  Fill scales(ScaleType type, double size) {
    return from({100 + static_cast<int>(type), size}, [&] {
      ValueTable table = scale_table(static_cast<float>(size), true);
      if (type == ScaleType::kBf16) {
        for (uint16_t& value : table) value = float_to_bf16(f16_to_float(value));
      }
      return table;
    });
  }

  Backend& backend_;
  PageSize pages_;
  std::deque<MemoryBlock> memory_;
  std::vector<Piece> pieces_;
  std::map<std::pair<int, double>, std::shared_ptr<const ValueTable>> tables_;
};

std::vector<float> random_vector(int64_t count, float low, float high) {
  std::mt19937 random(static_cast<uint32_t>(count));
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = draw(random);
  return values;
}

/// Makes the dense parts of a layer; experts are shared.
LayerWeights make_layer(Filler& filler, const ModelConfig& config, const LayerWeights& like,
                        MixerKind kind, double out_gain) {
  const auto ones = [](int64_t count) { return std::vector<float>(static_cast<size_t>(count), 1); };
  LayerWeights layer;
  layer.input_norm = ones(config.hidden_size);
  layer.post_attention_norm = ones(config.hidden_size);
  if (kind == MixerKind::kGatedDelta) {
    GatedDeltaWeights& delta = layer.delta;
    delta.qkvz = filler.matrix(like.delta.qkvz, 1);
    delta.ba = filler.matrix(like.delta.ba, 1);
    delta.out = filler.matrix(like.delta.out, out_gain);
    delta.conv = random_vector(config.conv_channels() * config.conv_kernel, -0.8f, 0.8f);
    delta.decay_rates = random_vector(config.delta_value_heads, -16.0f, -0.5f);
    delta.dt_bias = random_vector(config.delta_value_heads, -6.9f, -2.25f);
    delta.norm = ones(config.delta_value_dim);
  } else {
    GatedAttentionWeights& attention = layer.attention;
    attention.query_gate = filler.matrix(like.attention.query_gate, 1);
    attention.key = filler.matrix(like.attention.key, 1);
    attention.value = filler.matrix(like.attention.value, 1);
    attention.out = filler.matrix(like.attention.out, out_gain);
    attention.query_norm = ones(config.head_dim);
    attention.key_norm = ones(config.head_dim);
  }
  layer.moe.router = filler.matrix(like.moe.router, 2);
  layer.moe.shared_gate = filler.matrix(like.moe.shared_gate, 1);
  layer.moe.shared =
      filler.expert(like.moe.shared, out_gain, filler.take(stored_bytes(like.moe.shared)));
  return layer;
}

uint64_t dense_bytes(const ModelWeights& outline, size_t layers) {
  uint64_t sum = stored_bytes(outline.head) + stored_bytes(outline.embedding);
  for (size_t i = 0; i < layers; ++i) {
    const LayerWeights& layer = outline.layers[i];
    for (const QuantizedMatrix* matrix :
         {&layer.delta.qkvz, &layer.delta.out, &layer.attention.query_gate, &layer.attention.key,
          &layer.attention.value, &layer.attention.out, &layer.moe.router}) {
      if (matrix->weights) sum += stored_bytes(*matrix);
    }
    sum += stored_bytes(layer.moe.shared);
  }
  return sum;
}

/// How many experts there is memory for.
int64_t expert_slots(const ModelConfig& config, const ModelWeights& outline, uint64_t wanted) {
  const uint64_t half = available_memory_bytes() / 2;
  const uint64_t dense = dense_bytes(outline, config.layers.size());
  const uint64_t one = stored_bytes(outline.layers.front().moe.experts.front());
  const int64_t fewest = std::min(kFewestExperts, config.expert_count);
  if (dense + static_cast<uint64_t>(fewest) * one > half) {
    throw MemoryError(fmt::format(
        "a prediction needs {:.1f} GB for a slice of the model, and half of the available memory "
        "is {:.1f} GB. Close other programs and try again.",
        static_cast<double>(dense + static_cast<uint64_t>(fewest) * one) / 1e9,
        static_cast<double>(half) / 1e9));
  }
  const uint64_t bytes = std::min(wanted, half - dense);
  return std::clamp(static_cast<int64_t>(bytes / one), fewest, config.expert_count);
}

}  // namespace

SampleWeights make_sample_weights(const ModelConfig& config, const ModelWeights& outline,
                                  Backend& backend, PageSize pages, uint64_t expert_bytes) {
  const int64_t slots = expert_slots(config, outline, expert_bytes);
  const double out_gain = 1 / std::sqrt(2.0 * static_cast<double>(outline.layers.size()));
  Filler filler(backend, pages);
  SampleWeights made;
  ModelWeights& weights = made.weights;
  weights.final_norm.assign(static_cast<size_t>(config.hidden_size), 1.0f);
  weights.head = filler.matrix(outline.head, 3);
  const QuantizedMatrix& table = outline.embedding;
  weights.embedding = table.layout == weights.head.layout && table.rows == weights.head.rows
                          ? weights.head
                          : filler.matrix(table, 1);
  const std::vector<ExpertWeights>& likes = outline.layers.front().moe.experts;
  std::vector<ExpertWeights> experts;
  for (int64_t i = 0; i < slots; ++i) {
    made.expert_bytes += stored_bytes(likes[static_cast<size_t>(i)]);
  }
  std::byte* place = filler.take(made.expert_bytes);
  for (int64_t i = 0; i < slots; ++i) {
    const ExpertWeights& like = likes[static_cast<size_t>(i)];
    experts.push_back(filler.expert(like, out_gain, place));
    place += stored_bytes(like);
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    LayerWeights& layer = weights.layers.emplace_back(
        make_layer(filler, config, outline.layers[i], config.layers[i], out_gain));
    for (int64_t e = 0; e < config.expert_count; ++e) {
      layer.moe.experts.push_back(experts[static_cast<size_t>(e % slots)]);
    }
  }
  made.memory = filler.finish();
  return made;
}

}  // namespace hearth
