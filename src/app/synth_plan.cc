#include "app/synth_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

namespace hearth {
namespace {

/// One tensor before its place in a shard is known.
struct PlannedTensor {
  SafetensorsEntry entry;
  Fill fill;
};

SafetensorsEntry make_entry(std::string name, DType dtype, std::span<const int64_t> dims) {
  SafetensorsEntry entry{.name = std::move(name), .dtype = dtype};
  entry.rank = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), entry.dims.begin());
  entry.end = dtype_bytes(dtype);
  for (const int64_t dim : dims) entry.end *= static_cast<uint64_t>(dim);
  return entry;
}

/// Root mean square of the codes of symmetric quantization, even in [−2^(bits−1), 2^(bits−1) − 1].
double code_rms(int bits) {
  const double count = std::exp2(bits);
  return std::sqrt((count * count - 1) / 12 + 0.25);
}

/// Decides the values of each tensor.
class Planner {
 public:
  explicit Planner(const SynthModel& model) : model_(model) {}

  std::vector<PlannedTensor> tensors_of(const ModuleSpec& spec) {
    if (!spec.linear) return {plain_tensor(spec)};
    const int bits = stored_bits(model_, spec);
    const double deviation = gain(spec) / std::sqrt(static_cast<double>(spec.cols()));
    if (bits == 16) {
      return {{make_entry(spec.name + ".weight", DType::kBF16, spec.shape()),
               from_table(Values::kNormal, 0, deviation)}};
    }
    return packed_tensors(spec, bits, deviation);
  }

 private:
  enum class Values { kNormal, kScales, kSignedScales, kDecay, kStep };

  /// Size of the outputs for inputs of size 1.
  double gain(const ModuleSpec& spec) const {
    if (spec.component == Component::kHead) return 3;     // logits far from even
    if (spec.component == Component::kRouters) return 2;  // as are the chances of experts
    if (spec.role == TensorRole::kResidualLinear) {
      return 1 / std::sqrt(2.0 * static_cast<double>(model_.config.layer_count()));
    }
    return 1;
  }

  PlannedTensor plain_tensor(const ModuleSpec& spec) {
    return {make_entry(spec.name, DType::kBF16, spec.shape()), plain_fill(spec.role)};
  }

  Fill plain_fill(TensorRole role) {
    switch (role) {
      case TensorRole::kEmbedding: return from_table(Values::kNormal, 0, 1);
      case TensorRole::kGatedNorm: return from_table(Values::kNormal, 1, 0.05);
      case TensorRole::kConvolution:  // four taps: the size of the input is kept
        return from_table(Values::kNormal, 0, 0.5);
      case TensorRole::kDecay:  // decays and steps as Mamba-2 and its kin start training from
        return from_table(Values::kDecay, 0.5, 16);
      case TensorRole::kStep: return from_table(Values::kStep, 1e-3, 0.1);
      case TensorRole::kCentredNorm:
      case TensorRole::kLinear:
      case TensorRole::kResidualLinear: break;
    }
    return from_table(Values::kNormal, 0, 0.05);
  }

  std::vector<PlannedTensor> packed_tensors(const ModuleSpec& spec, int bits, double deviation) {
    const int64_t per_word = 32 / bits;
    const int64_t groups = spec.cols() / model_.group_size;
    const bool gptq = model_.recipe == Recipe::kGptqInt4;
    // Sizes even in [0.5, 1.5] have a root mean square of √(13/12).
    const double scale = deviation / code_rms(bits) / std::sqrt(13.0 / 12.0);

    const int64_t codes[] = {spec.cols() / per_word, spec.rows()};
    const int64_t zeros[] = {groups, spec.rows() / per_word};
    const int64_t scales[] = {groups, spec.rows()};
    std::vector<PlannedTensor> tensors = {
        {make_entry(spec.name + ".qweight", DType::kI32, codes), {}},
        {make_entry(spec.name + ".qzeros", DType::kI32, zeros),
         {.kind = Fill::Kind::kWord, .word = bits == 4 ? 0x77777777u : 0x7F7F7F7Fu}},
        {make_entry(spec.name + ".scales", DType::kF16, scales),
         from_table(gptq ? Values::kScales : Values::kSignedScales, scale, 0)}};
    if (gptq) {
      const int64_t inputs[] = {spec.cols()};
      tensors.push_back({make_entry(spec.name + ".g_idx", DType::kI32, inputs),
                         {.kind = Fill::Kind::kGroupIndex,
                          .group_size = static_cast<uint32_t>(model_.group_size)}});
    }
    return tensors;
  }

  /// Tables are shared: a checkpoint has thousands of tensors and a dozen distributions.
  Fill from_table(Values values, double a, double b) {
    std::shared_ptr<const ValueTable>& table = tables_[{values, a, b}];
    if (!table) table = std::make_shared<const ValueTable>(make_values(values, a, b));
    return {.kind = Fill::Kind::kTable, .table = table};
  }

  static ValueTable make_values(Values values, double a, double b) {
    const auto first = static_cast<float>(a);
    const auto second = static_cast<float>(b);
    switch (values) {
      case Values::kNormal: return normal_table(first, second);
      case Values::kScales: return scale_table(first, false);
      case Values::kSignedScales: return scale_table(first, true);
      case Values::kDecay: return log_table(first, second);
      case Values::kStep: return softplus_inverse_table(first, second);
    }
    return {};
  }

  const SynthModel& model_;
  std::map<std::tuple<Values, double, double>, std::shared_ptr<const ValueTable>> tables_;
};

/// Gives the tensors their places, in the order in which safetensors' own writer stores them: wide
/// elements first, so that all are aligned, then by name.
SynthShard make_shard(std::vector<PlannedTensor> tensors, bool extra) {
  std::sort(tensors.begin(), tensors.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
    const auto key = [](const PlannedTensor& t) { return dtype_bytes(t.entry.dtype); };
    if (key(a) != key(b)) return key(a) > key(b);
    if (a.entry.dtype != b.entry.dtype) return a.entry.dtype > b.entry.dtype;
    return a.entry.name < b.entry.name;
  });
  SynthShard shard;
  shard.extra = extra;
  for (PlannedTensor& tensor : tensors) {
    tensor.entry.begin = shard.data_bytes;
    tensor.entry.end += shard.data_bytes;
    shard.data_bytes = tensor.entry.end;
    shard.entries.push_back(std::move(tensor.entry));
    shard.fills.push_back(std::move(tensor.fill));
  }
  return shard;
}

}  // namespace

SynthTotals SynthPlan::totals(bool extra) const {
  SynthTotals sum;
  for (const SynthShard& shard : shards) {
    if (shard.extra != extra) continue;
    sum.tensors += shard.entries.size();
    sum.bytes += shard.data_bytes;
  }
  return sum;
}

SynthPlan plan_checkpoint(const SynthModel& model) {
  Planner planner(model);
  SynthPlan plan;
  std::vector<PlannedTensor> open;   // of the shard being filled
  std::vector<PlannedTensor> extra;  // of the MTP shard
  uint64_t open_bytes = 0;
  for (const ModuleSpec& spec : qwen3_next_modules(model.config, has_mtp(model.recipe))) {
    const bool is_extra = spec.mtp && model.recipe == Recipe::kInt4Mixed;
    for (PlannedTensor& tensor : planner.tensors_of(spec)) {
      if (is_extra) {
        extra.push_back(std::move(tensor));
        continue;
      }
      const uint64_t bytes = tensor.entry.end;
      if (!open.empty() && open_bytes + bytes > kSynthShardBytes) {
        plan.shards.push_back(make_shard(std::exchange(open, {}), false));
        open_bytes = 0;
      }
      open_bytes += bytes;
      open.push_back(std::move(tensor));
    }
  }
  plan.shards.push_back(make_shard(std::move(open), false));
  for (size_t i = 0; i < plan.shards.size(); ++i) {
    plan.shards[i].file =
        fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, plan.shards.size());
  }
  if (!extra.empty()) {
    plan.shards.push_back(make_shard(std::move(extra), true));
    plan.shards.back().file = "model_extra_tensors.safetensors";
  }
  return plan;
}

nlohmann::ordered_json index_json(const SynthPlan& plan) {
  std::map<std::string_view, std::string_view> shard_of;
  for (const SynthShard& shard : plan.shards) {
    for (const SafetensorsEntry& entry : shard.entries) shard_of[entry.name] = shard.file;
  }
  nlohmann::ordered_json map = nlohmann::ordered_json::object();
  // Appended to the vector inside: looking each of 227,000 keys up first would take a minute.
  auto& rows = map.get_ref<nlohmann::ordered_json::object_t&>();
  rows.reserve(shard_of.size());
  for (const auto& [name, file] : shard_of) {
    rows.push_back({std::string(name), std::string(file)});
  }
  return {{"metadata", {{"total_size", plan.totals(false).bytes + plan.totals(true).bytes}}},
          {"weight_map", std::move(map)}};
}

}  // namespace hearth
