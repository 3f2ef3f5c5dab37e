#include "tests/support/model_source.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/half.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "formats/format.h"
#include "model/families/qwen3_next_names.h"
#include "tests/support/temp_folder.h"

namespace hearth::testing {
namespace {

using nlohmann::json;

constexpr int64_t kGroup = 32;

size_t element_count(const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
  return count;
}

/// Count copies of the value's bytes.
template <typename T>
std::string repeated(size_t count, T value) {
  std::string bytes(count * sizeof(T), '\0');
  for (size_t i = 0; i < count; ++i) std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  return bytes;
}

TensorSource make(std::string name, DType dtype, std::vector<int64_t> shape, std::string bytes) {
  return {std::move(name), dtype, std::move(shape), std::move(bytes)};
}

TensorSource bf16(const std::string& name, std::vector<int64_t> shape, float value) {
  const size_t count = element_count(shape);
  return make(name, DType::kBF16, std::move(shape), repeated(count, float_to_bf16(value)));
}

/// The three tensors of a symmetric AutoRound module.
std::vector<TensorSource> packed(const ModuleSpec& spec, int bits) {
  const int64_t per_word = 32 / bits;
  const int64_t groups = spec.cols() / kGroup;
  const int64_t words = spec.cols() / per_word;
  const uint32_t zero = bits == 4 ? 0x77777777u : 0x7F7F7F7Fu;
  std::string codes(static_cast<size_t>(words * spec.rows()) * 4, '\0');
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<char>(i * 37 + i / 251);
  return {
      make(spec.name + ".qweight", DType::kI32, {words, spec.rows()}, codes),
      make(spec.name + ".qzeros", DType::kI32, {groups, spec.rows() / per_word},
           repeated(static_cast<size_t>(groups * spec.rows() / per_word), zero)),
      make(spec.name + ".scales", DType::kF16, {groups, spec.rows()},
           repeated(static_cast<size_t>(groups * spec.rows()), float_to_f16(-0.01f))),
  };
}

json tiny_config() {
  return {{"architectures", {"Qwen3NextForCausalLM"}},
          {"model_type", "qwen3_next"},
          {"vocab_size", 96},
          {"hidden_size", 64},
          {"num_hidden_layers", 2},
          {"full_attention_interval", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"head_dim", 16},
          {"attention_bias", false},
          {"partial_rotary_factor", 0.25},
          {"rope_theta", 10000000},
          {"rope_scaling", nullptr},
          {"max_position_embeddings", 4096},
          {"linear_num_key_heads", 2},
          {"linear_num_value_heads", 4},
          {"linear_key_head_dim", 16},
          {"linear_value_head_dim", 16},
          {"linear_conv_kernel_dim", 4},
          {"num_experts", 4},
          {"num_experts_per_tok", 2},
          {"moe_intermediate_size", 32},
          {"shared_expert_intermediate_size", 32},
          {"norm_topk_prob", true},
          {"decoder_sparse_step", 1},
          {"mlp_only_layers", json::array()},
          {"rms_norm_eps", 1e-6},
          {"hidden_act", "silu"},
          {"tie_word_embeddings", false},
          {"eos_token_id", 7},
          {"torch_dtype", "bfloat16"},
          {"quantization_config",
           {{"quant_method", "auto-round"},
            {"packing_format", "auto_round:auto_gptq"},
            {"bits", 4},
            {"group_size", kGroup},
            {"sym", true},
            {"data_type", "int"}}}};
}

std::vector<TensorSource> tensors_of(const ModuleSpec& spec) {
  std::vector<int64_t> shape(spec.dims.begin(), spec.dims.begin() + spec.rank);
  if (!spec.linear) return {bf16(spec.name, std::move(shape), 0.5f)};
  const bool quantized =
      spec.component != Component::kRouters && spec.component != Component::kHead;
  if (!quantized) return {bf16(spec.name + ".weight", std::move(shape), 0.5f)};
  return packed(spec, spec.component == Component::kRoutedExperts ? 4 : 8);
}

}  // namespace

TensorSource& ShardSource::at(std::string_view name) {
  for (TensorSource& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::out_of_range(std::string(name));
}

void ShardSource::remove(std::string_view name) {
  std::erase_if(tensors, [&](const TensorSource& tensor) { return tensor.name == name; });
}

std::string ShardSource::file() const {
  std::vector<TensorSource> sorted = tensors;
  std::stable_sort(sorted.begin(), sorted.end(), [](const TensorSource& a, const TensorSource& b) {
    return dtype_bytes(a.dtype) > dtype_bytes(b.dtype);
  });
  nlohmann::ordered_json header;
  std::string data;
  for (const TensorSource& tensor : sorted) {
    header[tensor.name] = {{"dtype", std::string(dtype_name(tensor.dtype))},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  return safetensors_file(tensors.empty() ? "{}" : header.dump(), data);
}

std::string safetensors_file(std::string header, const std::string& data) {
  while (header.size() % 8 != 0) header += ' ';
  return repeated<uint64_t>(1, header.size()) + header + data;
}

TensorSource& ModelSource::at(std::string_view name) {
  for (auto& [file, shard] : shards) {
    for (TensorSource& tensor : shard.tensors) {
      if (tensor.name == name) return tensor;
    }
  }
  throw std::out_of_range(std::string(name));
}

void ModelSource::remove(std::string_view name) {
  for (auto& [file, shard] : shards) shard.remove(name);
}

void ModelSource::add(TensorSource tensor) {
  shards.begin()->second.tensors.push_back(std::move(tensor));
}

json ModelSource::index() const {
  json result = {{"metadata", {{"total_size", 0}}}, {"weight_map", json::object()}};
  for (const auto& [file, shard] : shards) {
    for (const TensorSource& tensor : shard.tensors) result["weight_map"][tensor.name] = file;
  }
  return result;
}

void ModelSource::write(const std::filesystem::path& folder) const {
  write_file(folder / "config.json", config.dump(2));
  if (!generation_config.is_null()) {
    write_file(folder / "generation_config.json", generation_config.dump(2));
  }
  for (const auto& [file, shard] : shards) write_file(folder / file, shard.file());
  if (shards.size() > 1) write_file(folder / "model.safetensors.index.json", index().dump(2));
}

ModelSource tiny_model(int shard_count) {
  ModelSource model;
  model.config = tiny_config();
  model.generation_config = {{"do_sample", true},
                             {"temperature", 0.7},
                             {"top_p", 0.8},
                             {"top_k", 20},
                             {"eos_token_id", {7, 8}}};
  TempFolder folder;
  write_file(folder.path() / "config.json", model.config.dump());
  const std::vector<ModuleSpec> specs =
      qwen3_next_modules(load_model_config(folder.path()), /*mtp=*/false);
  for (size_t i = 0; i < specs.size(); ++i) {
    const size_t shard = i * static_cast<size_t>(shard_count) / specs.size();
    const std::string file = shard_count == 1
                                 ? "model.safetensors"
                                 : "model-0000" + std::to_string(shard + 1) + "-of-0000" +
                                       std::to_string(shard_count) + ".safetensors";
    for (TensorSource& tensor : tensors_of(specs[i])) {
      model.shards[file].tensors.push_back(std::move(tensor));
    }
  }
  return model;
}

void load_folder(const std::filesystem::path& folder) {
  const ModelConfig config = load_model_config(folder);
  const QuantizationConfig quantization = load_quantization_config(folder);
  load_generation_defaults(folder);
  const Checkpoint checkpoint(folder);
  for (const ModuleSpec& spec : qwen3_next_modules(config, /*mtp=*/false)) {
    if (spec.linear) {
      load_linear(checkpoint, quantization, {spec.name, spec.rows(), spec.cols()});
    } else {
      checkpoint.require(spec.name, spec.shape(), kPlainDTypes);
    }
  }
}

}  // namespace hearth::testing
