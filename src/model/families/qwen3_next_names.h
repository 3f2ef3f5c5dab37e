// The tensors of a Qwen3-Next checkpoint under their Hugging Face names, with the geometry that a
// config gives them. Only families/ knows these names.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/model_config.h"
#include "tensor/dtype.h"

namespace hearth {

/// The parts of the model by which bytes are counted.
enum class Component : uint8_t {
  kRoutedExperts,
  kSharedExperts,
  kRouters,  // routers and shared-expert gates
  kDeltaNet,
  kAttention,
  kNorms,
  kEmbedding,
  kHead,
  kMtpProjection,  // mtp.fc
};

inline constexpr int kComponentCount = 9;

std::string_view component_name(Component component);

/// What a module or tensor does, where its component does not tell.
enum class TensorRole : uint8_t {
  kLinear,
  kResidualLinear,  // its output is added to the residual stream
  kCentredNorm,     // weights w of a norm that multiplies by 1 + w
  kGatedNorm,       // weights of the norm that multiplies by w itself
  kConvolution,
  kDecay,  // log of the rate at which a DeltaNet state decays
  kStep,   // bias of the step by which it does
  kEmbedding,
};

/// A linear layer, which formats/ may find quantized, or a plain tensor (BF16, F16 or F32).
struct ModuleSpec {
  std::string name;  // linear: the module, without ".weight"; plain: the tensor
  Component component = Component::kNorms;
  TensorRole role = TensorRole::kLinear;
  bool linear = false;
  bool mtp = false;    // of the multi-token prediction layer
  int64_t layer = -1;  // −1: of no layer
  int rank = 0;
  std::array<int64_t, 4> dims{};  // linear: {rows, cols}

  int64_t rows() const { return dims[0]; }
  int64_t cols() const { return dims[1]; }
  std::span<const int64_t> shape() const { return {dims.data(), static_cast<size_t>(rank)}; }
};

/// What plain tensors may be stored as.
inline constexpr std::array kPlainDTypes = {DType::kBF16, DType::kF16, DType::kF32};

/// The module whose presence (as plain or quantized weight) shows that a checkpoint has MTP.
inline constexpr std::string_view kQwen3NextMtpModule = "mtp.fc";

/// The modules that hold the layers, and what matches the names of routers and gates, as configs of
/// quantizers write them.
inline constexpr std::string_view kQwen3NextLayers = "model.layers";
inline constexpr std::array<std::string_view, 2> kQwen3NextGatePatterns = {".*mlp\\.gate$",
                                                                           ".*shared_expert_gate$"};

/// Every module and plain tensor that a checkpoint of this config must have: globals, then layers
/// in order, then the MTP layer if asked for. No lm_head when it is tied to the embedding.
std::vector<ModuleSpec> qwen3_next_modules(const ModelConfig& config, bool mtp);

}  // namespace hearth
