// Qwen3-Next (80B-A3B Instruct and Thinking, Coder-Next): its tensors under their Hugging Face
// names, brought into the shape of ModelWeights.
#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <mutex>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "base/half.h"
#include "formats/format.h"
#include "model/families/family.h"

namespace hearth {
namespace {

/// Runs body(index) on the backend's workers and throws the first exception that one threw.
template <typename Body>
void parallel_or_throw(Backend& backend, int64_t count, const Body& body) {
  struct Context {
    const Body& body;
    std::mutex mutex;
    std::exception_ptr error;
  } context{body, {}, nullptr};
  backend.parallel(
      count,
      [](void* opaque, int64_t index) {
        Context& shared = *static_cast<Context*>(opaque);
        try {
          shared.body(index);
        } catch (...) {
          const std::lock_guard lock(shared.mutex);
          if (!shared.error) shared.error = std::current_exception();
        }
      },
      &context);
  if (context.error) std::rethrow_exception(context.error);
}

float value_at(const TensorView& view, int64_t index) {
  switch (view.dtype) {
    case DType::kBF16: return bf16_to_float(view.as<uint16_t>()[index]);
    case DType::kF16: return f16_to_float(view.as<uint16_t>()[index]);
    default: return view.as<float>()[index];
  }
}

class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const ModelConfig& config,
         const QuantizationConfig& quantization, Backend& backend)
      : checkpoint_(checkpoint), config_(config), quantization_(quantization), backend_(backend) {}

  ModelWeights load() {
    ModelWeights model;
    model.embedding = table("model.embed_tokens.weight");
    model.head = config_.tied_embeddings
                     ? model.embedding
                     : matrix("lm_head", config_.vocab_size, config_.hidden_size);
    model.final_norm = zero_centred_norm("model.norm.weight", config_.hidden_size);
    model.layers.resize(config_.layers.size());
    for (size_t i = 0; i < model.layers.size(); ++i) layer(i, model.layers[i]);
    return model;
  }

 private:
  QuantizedMatrix matrix(const std::string& module, int64_t rows, int64_t cols) const {
    return load_linear(checkpoint_, quantization_, {module, rows, cols});
  }

  QuantizedMatrix table(const std::string& name) const {
    const TensorView view = checkpoint_.require(name, {config_.vocab_size, config_.hidden_size},
                                                {DType::kBF16, DType::kF16, DType::kF32});
    QuantizedMatrix table{.rows = view.dims[0], .cols = view.dims[1], .weights = view.data};
    table.layout = view.dtype == DType::kBF16  ? QuantLayout::kBf16
                   : view.dtype == DType::kF16 ? QuantLayout::kF16
                                               : QuantLayout::kF32;
    return table;
  }

  /// A plain tensor as floats, each finite.
  std::vector<float> values(const std::string& name, std::initializer_list<int64_t> shape) const {
    const TensorView view =
        checkpoint_.require(name, shape, {DType::kBF16, DType::kF16, DType::kF32});
    std::vector<float> result(static_cast<size_t>(view.element_count()));
    for (size_t i = 0; i < result.size(); ++i) {
      result[i] = value_at(view, static_cast<int64_t>(i));
      if (std::isfinite(result[i])) continue;
      throw LoadError(
          {.file = checkpoint_.file_of(name),
           .where = fmt::format("tensor '{}'", name),
           .expected = "finite values",
           .found = fmt::format("{} at element {}", result[i], i),
           .advice = "The file is damaged or was exported wrongly; download it again."});
    }
    return result;
  }

  /// Weights of a norm that multiplies by 1 + w.
  std::vector<float> zero_centred_norm(const std::string& name, int64_t size) const {
    std::vector<float> weights = values(name, {size});
    for (float& weight : weights) weight += 1.0f;
    return weights;
  }

  void layer(size_t index, LayerWeights& layer) const {
    const std::string prefix = fmt::format("model.layers.{}.", index);
    layer.input_norm = zero_centred_norm(prefix + "input_layernorm.weight", config_.hidden_size);
    layer.post_attention_norm =
        zero_centred_norm(prefix + "post_attention_layernorm.weight", config_.hidden_size);
    if (config_.layers[index] == MixerKind::kGatedDelta) {
      delta(prefix + "linear_attn.", layer.delta);
    } else {
      attention(prefix + "self_attn.", layer.attention);
    }
    moe(prefix + "mlp.", layer.moe);
  }

  void delta(const std::string& prefix, GatedDeltaWeights& delta) const {
    const int64_t keys = config_.delta_keys();
    const int64_t values_size = config_.delta_values();
    const int64_t heads = config_.delta_value_heads;
    delta.qkvz = matrix(prefix + "in_proj_qkvz", 2 * keys + 2 * values_size, config_.hidden_size);
    delta.ba = matrix(prefix + "in_proj_ba", 2 * heads, config_.hidden_size);
    delta.out = matrix(prefix + "out_proj", config_.hidden_size, values_size);
    const int64_t channels = config_.conv_channels();
    const int64_t taps = config_.conv_kernel;
    const std::vector<float> conv = values(prefix + "conv1d.weight", {channels, 1, taps});
    delta.conv.resize(conv.size());
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < taps; ++t) {
        delta.conv[static_cast<size_t>(t * channels + c)] = conv[static_cast<size_t>(c * taps + t)];
      }
    }
    delta.decay_rates = values(prefix + "A_log", {heads});
    for (float& rate : delta.decay_rates) rate = -std::exp(rate);
    delta.dt_bias = values(prefix + "dt_bias", {heads});
    delta.norm = values(prefix + "norm.weight", {config_.delta_value_dim});
  }

  void attention(const std::string& prefix, GatedAttentionWeights& attention) const {
    const int64_t queries = config_.query_heads * config_.head_dim;
    const int64_t kv = config_.kv_heads * config_.head_dim;
    attention.query_gate = matrix(prefix + "q_proj", 2 * queries, config_.hidden_size);
    attention.key = matrix(prefix + "k_proj", kv, config_.hidden_size);
    attention.value = matrix(prefix + "v_proj", kv, config_.hidden_size);
    attention.out = matrix(prefix + "o_proj", config_.hidden_size, queries);
    attention.query_norm = zero_centred_norm(prefix + "q_norm.weight", config_.head_dim);
    attention.key_norm = zero_centred_norm(prefix + "k_norm.weight", config_.head_dim);
  }

  ExpertWeights expert(const std::string& prefix, int64_t width) const {
    return {.gate = matrix(prefix + "gate_proj", width, config_.hidden_size),
            .up = matrix(prefix + "up_proj", width, config_.hidden_size),
            .down = matrix(prefix + "down_proj", config_.hidden_size, width)};
  }

  void moe(const std::string& prefix, MoeWeights& moe) const {
    moe.router = matrix(prefix + "gate", config_.expert_count, config_.hidden_size);
    moe.shared_gate = matrix(prefix + "shared_expert_gate", 1, config_.hidden_size);
    moe.shared = expert(prefix + "shared_expert.", config_.shared_expert_dim);
    moe.experts.resize(static_cast<size_t>(config_.expert_count));
    parallel_or_throw(backend_, config_.expert_count, [&](int64_t e) {
      moe.experts[static_cast<size_t>(e)] =
          expert(fmt::format("{}experts.{}.", prefix, e), config_.expert_dim);
    });
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const QuantizationConfig& quantization_;
  Backend& backend_;
};

}  // namespace

bool uses_qwen3_next(std::string_view tensor) { return !tensor.starts_with("mtp."); }

ModelWeights load_qwen3_next(const Checkpoint& checkpoint, const ModelConfig& config,
                             const QuantizationConfig& quantization, Backend& backend) {
  return Loader(checkpoint, config, quantization, backend).load();
}

}  // namespace hearth
