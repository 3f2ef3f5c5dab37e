#include "app/show_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "formats/format.h"
#include "os/memory_info.h"
#include "os/parallel_for.h"

namespace hearth {
namespace {

/// One module as it was found.
struct ModuleUse {
  FormatUse format;
  uint64_t tensors = 0;
  uint64_t read_bytes = 0;  // by one use of the whole module
};

/// Counts the tensors "MODULE.*" and their bytes.
void count_tensors(const Checkpoint& checkpoint, const std::string& module, ModuleUse& use) {
  const std::string prefix = module + ".";
  const std::span<const CheckpointTensor> all = checkpoint.tensors();
  auto tensor = std::lower_bound(
      all.begin(), all.end(), prefix,
      [](const CheckpointTensor& t, const std::string& name) { return t.name < name; });
  for (; tensor != all.end() && tensor->name.starts_with(prefix); ++tensor) {
    ++use.tensors;
    use.format.stored_bytes += tensor->view.bytes();
  }
}

ModuleUse inspect_linear(const Checkpoint& checkpoint, const QuantizationConfig& quantization,
                         const ModuleSpec& spec) {
  const QuantizedMatrix matrix =
      load_linear(checkpoint, quantization, {spec.name, spec.rows(), spec.cols()});
  ModuleUse use;
  use.format.name = find_format(checkpoint, spec.name).name;
  use.format.bits = weight_bits(matrix.layout);
  use.format.group_size = matrix.group_size;
  use.format.symmetric = matrix.zeros == nullptr;
  use.read_bytes = matrix_bytes(matrix);
  count_tensors(checkpoint, spec.name, use);
  return use;
}

ModuleUse inspect_tensor(const Checkpoint& checkpoint, const ModuleSpec& spec) {
  const TensorView view = checkpoint.require(spec.name, spec.shape(), kPlainDTypes);
  ModuleUse use;
  use.format.name = "tensor";
  use.format.bits = static_cast<int>(8 * dtype_bytes(view.dtype));
  use.format.stored_bytes = view.bytes();
  use.read_bytes = view.bytes();
  use.tensors = 1;
  return use;
}

/// How much of a component one token reads, as a fraction.
std::pair<uint64_t, uint64_t> share_read(const ModelConfig& config, Component component) {
  const auto count = [](int64_t value) { return static_cast<uint64_t>(value); };
  if (component == Component::kRoutedExperts) {
    return {count(config.experts_per_token), count(config.expert_count)};
  }
  if (component == Component::kEmbedding && !config.tied_embeddings) {
    return {1, count(config.vocab_size)};
  }
  return {1, 1};  // a tied embedding is read whole, as lm_head
}

std::vector<ComponentUse> sum_up(const ModelConfig& config, const std::vector<ModuleSpec>& specs,
                                 const std::vector<ModuleUse>& uses) {
  using FormatKey = std::tuple<std::string, int, int64_t, bool>;
  std::map<std::pair<bool, Component>, ComponentUse> components;
  std::map<std::pair<bool, Component>, std::map<FormatKey, FormatUse>> formats;
  for (size_t i = 0; i < specs.size(); ++i) {
    const std::pair key(specs[i].mtp, specs[i].component);
    const FormatUse& found = uses[i].format;
    ComponentUse& component = components[key];
    component.component = specs[i].component;
    component.mtp = specs[i].mtp;
    component.tensors += uses[i].tensors;
    component.modules += specs[i].linear;
    component.stored_bytes += found.stored_bytes;
    component.token_bytes += uses[i].read_bytes;

    FormatUse& format = formats[key][{found.name, found.bits, found.group_size, found.symmetric}];
    if (format.modules == 0) format = {found.name, found.bits, found.group_size, found.symmetric};
    ++format.modules;
    format.stored_bytes += found.stored_bytes;
  }
  std::vector<ComponentUse> result;
  for (auto& [key, component] : components) {
    const auto [part, whole] = share_read(config, component.component);
    component.token_bytes = component.token_bytes * part / whole;
    for (auto& [format_key, format] : formats[key]) component.formats.push_back(format);
    std::sort(
        component.formats.begin(), component.formats.end(),
        [](const FormatUse& a, const FormatUse& b) { return a.stored_bytes > b.stored_bytes; });
    result.push_back(std::move(component));
  }
  return result;
}

}  // namespace

std::string FormatUse::text() const {
  if (group_size == 0) return fmt::format("{} {} bit", name, bits);
  return fmt::format("{} {} bit, groups of {}{}", name, bits, group_size,
                     symmetric ? "" : ", asymmetric");
}

uint64_t ShowReport::stored_bytes(bool mtp) const {
  uint64_t sum = 0;
  for (const ComponentUse& use : components) sum += use.mtp == mtp ? use.stored_bytes : 0;
  return sum;
}

uint64_t ShowReport::token_bytes(bool mtp) const {
  uint64_t sum = 0;
  for (const ComponentUse& use : components) sum += use.mtp == mtp ? use.token_bytes : 0;
  return sum;
}

uint64_t ShowReport::state_bytes() const {
  const int64_t state = config.delta_value_heads * config.delta_key_dim * config.delta_value_dim;
  const int64_t history = config.conv_channels() * (config.conv_kernel - 1);
  return static_cast<uint64_t>(config.count(MixerKind::kGatedDelta) * (state + history)) *
         sizeof(float);
}

uint64_t ShowReport::kv_bytes_per_token() const {
  return static_cast<uint64_t>(config.count(MixerKind::kGatedAttention) * 2 * config.kv_heads *
                               config.head_dim) *
         sizeof(uint16_t);
}

ShowReport inspect_model(const std::filesystem::path& folder) {
  ShowReport report;
  report.folder = folder;
  report.config = load_model_config(folder);
  report.quantization = load_quantization_config(folder);
  report.generation = load_generation_defaults(folder);
  const Checkpoint checkpoint(folder);
  report.shards.assign(checkpoint.shards().begin(), checkpoint.shards().end());
  const std::string mtp(kQwen3NextMtpModule);
  report.has_mtp = checkpoint.find(mtp + ".weight") || checkpoint.find(mtp + ".qweight");

  const std::vector<ModuleSpec> specs = qwen3_next_modules(report.config, report.has_mtp);
  std::vector<ModuleUse> uses(specs.size());
  parallel_for(specs.size(), [&](size_t i) {
    uses[i] = specs[i].linear ? inspect_linear(checkpoint, report.quantization, specs[i])
                              : inspect_tensor(checkpoint, specs[i]);
  });
  report.components = sum_up(report.config, specs, uses);

  report.unused_tensors = checkpoint.tensors().size();
  for (const CheckpointShard& shard : checkpoint.shards())
    report.unused_bytes += shard.tensor_bytes;
  for (const ComponentUse& use : report.components) report.unused_tensors -= use.tensors;
  report.unused_bytes -= report.stored_bytes(false) + report.stored_bytes(true);
  report.available_bytes = available_memory_bytes();
  return report;
}

}  // namespace hearth
