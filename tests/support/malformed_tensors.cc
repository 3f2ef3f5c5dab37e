// Tensors that are absent, of a wrong shape or dtype, of an unread packing, or hold wrong values.
#include <cstring>

#include "tests/support/malformed.h"

namespace hearth::testing {
namespace {

using Fragments = std::vector<std::string>;
using Change = std::function<void(ModelSource&)>;

const std::string kExpert = "model.layers.1.mlp.experts.3.up_proj";    // 4 bits, [32, 64]
const std::string kQuery = "model.layers.1.self_attn.q_proj";          // 8 bits, [128, 64]
const std::string kRouter = "model.layers.0.mlp.gate";                 // BF16, [4, 64]
const std::string kConv = "model.layers.0.linear_attn.conv1d.weight";  // BF16, [128, 1, 4]

/// The message names the file and the tensor.
MalformedCase tensor_case(std::string name, const std::string& tensor, Change change,
                          Fragments fragments) {
  fragments.push_back("tensor \"" + tensor + "\": ");
  return {.name = std::move(name), .fragments = std::move(fragments), .change = std::move(change)};
}

MalformedCase missing_case(std::string name, const std::string& tensor, Fragments fragments) {
  return tensor_case(
      std::move(name), tensor, [tensor](ModelSource& model) { model.remove(tensor); },
      std::move(fragments));
}

/// A tensor takes another shape, its bytes repeated or cut to it.
MalformedCase shape_case(std::string name, const std::string& tensor, std::vector<int64_t> shape,
                         Fragments fragments) {
  return tensor_case(
      std::move(name), tensor,
      [tensor, shape](ModelSource& model) {
        TensorSource& source = model.at(tensor);
        size_t bytes = dtype_bytes(source.dtype);
        for (const int64_t dim : shape) bytes *= static_cast<size_t>(dim);
        while (source.bytes.size() < bytes) source.bytes += source.bytes;
        source.bytes.resize(bytes);
        source.shape = shape;
      },
      std::move(fragments));
}

/// A tensor takes another dtype of the same size.
MalformedCase dtype_case(std::string name, const std::string& tensor, DType dtype,
                         Fragments fragments) {
  return tensor_case(
      std::move(name), tensor,
      [tensor, dtype](ModelSource& model) { model.at(tensor).dtype = dtype; },
      std::move(fragments));
}

/// One 16-bit value of a tensor is replaced.
MalformedCase value_case(std::string name, const std::string& tensor, size_t index, uint16_t bits,
                         Fragments fragments) {
  return tensor_case(
      std::move(name), tensor,
      [tensor, index, bits](ModelSource& model) {
        std::memcpy(model.at(tensor).bytes.data() + index * sizeof(bits), &bits, sizeof(bits));
      },
      std::move(fragments));
}

/// A further tensor stands beside the expert's.
MalformedCase extra_case(std::string name, const std::string& suffix, TensorSource tensor,
                         Fragments fragments) {
  tensor.name = kExpert + suffix;
  const std::string named = tensor.name;
  return tensor_case(
      std::move(name), named, [tensor](ModelSource& model) { model.add(tensor); },
      std::move(fragments));
}

/// The expert's .qweight is replaced by other tensors.
Change replace_expert(std::vector<TensorSource> tensors) {
  return [tensors = std::move(tensors)](ModelSource& model) {
    for (const char* suffix : {".qweight", ".qzeros", ".scales"}) model.remove(kExpert + suffix);
    for (const TensorSource& tensor : tensors) model.add(tensor);
  };
}

std::string zeros(size_t bytes) { return std::string(bytes, '\0'); }

std::vector<MalformedCase> absence_cases() {
  return {
      missing_case("no_embedding", "model.embed_tokens.weight", {"[96, 64]", "nothing"}),
      missing_case("no_final_norm", "model.norm.weight", {"[64]", "nothing"}),
      missing_case("no_head", "lm_head.weight", {"or .qweight", "neither"}),
      missing_case("no_router", kRouter + ".weight", {"neither", "incomplete"}),
      missing_case("no_convolution", kConv, {"[128, 1, 4]", "nothing"}),
      missing_case("no_decay", "model.layers.0.linear_attn.A_log", {"[4]", "nothing"}),
      missing_case("no_query_norm", "model.layers.1.self_attn.q_norm.weight", {"[16]"}),
      missing_case("no_scales", kExpert + ".scales", {"[any, 32]", "nothing"}),
      missing_case("no_zero_points", kExpert + ".qzeros", {"[2, 4]", "nothing"}),
      tensor_case("no_codes", kExpert + ".weight",
                  [](ModelSource& model) { model.remove(kExpert + ".qweight"); },
                  {"this tensor, or .qweight", "neither"}),
      tensor_case("fewer_experts_than_promised", "model.layers.0.mlp.gate.weight",
                  [](ModelSource& model) { model.config["num_experts"] = 5; },
                  {"[5, 64]", "[4, 64]", "different models"}),
      tensor_case("more_layers_than_weights", "model.layers.2.linear_attn.in_proj_qkvz.weight",
                  [](ModelSource& model) {
                    model.config["num_hidden_layers"] = 4;
                    model.config["layer_types"] = {"linear_attention", "full_attention",
                                                   "linear_attention", "full_attention"};
                  },
                  {"neither", "config.json is of another model"}),
  };
}

std::vector<MalformedCase> shape_cases() {
  return {
      shape_case("norm_too_short", "model.norm.weight", {63}, {"[64]", "[63]"}),
      shape_case("norm_of_rank_two", "model.norm.weight", {64, 1}, {"[64]", "[64, 1]"}),
      shape_case("norm_scalar", "model.norm.weight", {}, {"[64]", "[]"}),
      shape_case("embedding_transposed", "model.embed_tokens.weight", {64, 96}, {"[64, 96]"}),
      shape_case("convolution_flat", kConv, {128, 4}, {"[128, 1, 4]", "[128, 4]"}),
      shape_case("router_too_small", kRouter + ".weight", {3, 64}, {"[4, 64]", "[3, 64]"}),
      shape_case("head_empty", "lm_head.weight", {0, 64}, {"[96, 64]", "[0, 64]"}),
      shape_case("codes_of_two_bits", kExpert + ".qweight", {4, 32},
                 {"[8, 32] (4 bits)", "[4, 32]", "has 2 bits", "reads 4 and 8"}),
      shape_case("codes_of_three_bits", kExpert + ".qweight", {6, 32}, {"has 3 bits"}),
      shape_case("codes_of_sixteen_bits", kExpert + ".qweight", {32, 32}, {"has 16 bits"}),
      shape_case("codes_of_no_bits", kExpert + ".qweight", {0, 32}, {"[0, 32]"}),
      shape_case("codes_of_odd_bits", kExpert + ".qweight", {9, 32}, {"[9, 32]"}),
      shape_case("codes_too_narrow", kExpert + ".qweight", {8, 31}, {"[8, 31]"}),
      shape_case("codes_of_rank_three", kExpert + ".qweight", {8, 32, 1}, {"[any, any]"}),
      shape_case("codes_packed_as_awq", kExpert + ".qweight", {64, 4}, {"AWQ", "not read AWQ yet"}),
      shape_case("scales_too_narrow", kExpert + ".scales", {2, 31}, {"[any, 32]", "[2, 31]"}),
      shape_case("scales_transposed", kExpert + ".scales", {32, 2}, {"[any, 32]", "[32, 2]"}),
      shape_case("scales_none", kExpert + ".scales", {0, 32}, {"0 rows"}),
      shape_case("scales_not_dividing", kExpert + ".scales", {3, 32}, {"64 inputs", "3 rows"}),
      shape_case("groups_smaller_than_a_word", kExpert + ".scales", {16, 32},
                 {"a multiple of 8", "16 rows"}),
      shape_case("zero_points_too_narrow", kExpert + ".qzeros", {2, 3}, {"[2, 4]", "[2, 3]"}),
      shape_case("zero_points_of_other_groups", kExpert + ".qzeros", {1, 4}, {"[2, 4]", "[1, 4]"}),
      shape_case("zero_points_of_other_bits", kQuery + ".qzeros", {2, 16}, {"[2, 32]", "[2, 16]"}),
  };
}

std::vector<MalformedCase> dtype_cases() {
  return {
      dtype_case("norm_of_integers", "model.norm.weight", DType::kI16, {"BF16", "I16"}),
      dtype_case("head_of_integers", "lm_head.weight", DType::kU16, {"BF16, F16 or F32", "U16"}),
      dtype_case("codes_float", kExpert + ".qweight", DType::kF32, {"dtype I32", "F32"}),
      dtype_case("scales_of_integers", kExpert + ".scales", DType::kI16, {"F16 or BF16", "I16"}),
      dtype_case("zero_points_float", kExpert + ".qzeros", DType::kF32, {"dtype I32", "F32"}),
      tensor_case("weights_in_fp8", kExpert + ".weight",
                  replace_expert({{kExpert + ".weight", DType::kF8E4M3, {32, 64}, zeros(2048)}}),
                  {"F8_E4M3", "not read FP8"}),
      tensor_case("weights_in_64_bits", kExpert + ".weight",
                  replace_expert({{kExpert + ".weight", DType::kF64, {32, 64}, zeros(16384)}}),
                  {"BF16, F16 or F32", "F64"}),
      tensor_case("scales_in_32_bits", kExpert + ".scales",
                  [](ModelSource& model) {
                    TensorSource& scales = model.at(kExpert + ".scales");
                    scales.dtype = DType::kF32;
                    scales.bytes += scales.bytes;
                  },
                  {"F16 or BF16", "F32"}),
  };
}

std::vector<MalformedCase> value_cases() {
  std::string second_group_first = zeros(64 * 4);
  second_group_first[0] = 1;
  return {
      value_case("scale_nan", kExpert + ".scales", 37, 0x7E00, {"NaN", "0x7E00", "[1, 5]"}),
      value_case("scale_infinite", kExpert + ".scales", 0, 0x7C00, {"finite", "[0, 0]"}),
      value_case("scale_minus_infinite", kQuery + ".scales", 255, 0xFC00, {"0xFC00", "[1, 127]"}),
      tensor_case("scale_nan_in_bf16", kExpert + ".scales",
                  [](ModelSource& model) {
                    TensorSource& scales = model.at(kExpert + ".scales");
                    scales.dtype = DType::kBF16;
                    scales.bytes[2] = '\xC0';
                    scales.bytes[3] = '\x7F';
                  },
                  {"finite", "0x7FC0", "[0, 1]"}),
      tensor_case("scales_all_zero", kExpert + ".scales",
                  [](ModelSource& model) {
                    std::string& bytes = model.at(kExpert + ".scales").bytes;
                    bytes.assign(bytes.size(), '\0');
                  },
                  {"other than zero", "never completely downloaded"}),
      value_case("zero_point_wrapped_around", kExpert + ".qzeros", 9, 0x77F7,
                 {"below 15", "15 in the word at [1, 0]", "gptq_v2"}),
      value_case("zero_point_of_8_bits_wrapped_around", kQuery + ".qzeros", 1, 0xFF7F,
                 {"below 255", "255 in the word at [0, 0]"}),
      extra_case("group_index_of_desc_act", ".g_idx", {"", DType::kI32, {64}, second_group_first},
                 {"group 0 for input 0", "group 1", "desc_act=true"}),
      extra_case("group_index_too_short", ".g_idx", {"", DType::kI32, {32}, zeros(128)},
                 {"[64]", "[32]"}),
      extra_case("group_index_of_64_bits", ".g_idx", {"", DType::kI64, {64}, zeros(512)},
                 {"dtype I32", "I64"}),
      extra_case("bias_not_zero", ".bias", {"", DType::kF16, {32}, std::string(64, '\x3C')},
                 {"no bias", "other values"}),
      extra_case("two_packings", ".weight", {"", DType::kBF16, {32, 64}, zeros(4096)},
                 {"one packing", "both gptq and plain"}),
      extra_case("scales_of_fp8", ".weight_scale_inv", {"", DType::kF32, {1, 1}, zeros(4)},
                 {"FP8 in blocks", "AutoRound, GPTQ or unquantized"}),
      tensor_case("packed_by_compressed_tensors", kExpert + ".weight_packed",
                  replace_expert({{kExpert + ".weight_packed", DType::kI32, {32, 8}, zeros(1024)}}),
                  {"compressed-tensors", "AutoRound, GPTQ or unquantized"}),
      tensor_case("packed_by_bitsandbytes", kExpert + ".weight.absmax",
                  replace_expert({{kExpert + ".weight", DType::kU8, {1024, 1}, zeros(1024)},
                                  {kExpert + ".weight.absmax", DType::kF32, {32}, zeros(128)}}),
                  {"bitsandbytes"}),
      tensor_case("packed_for_marlin", kExpert + ".B",
                  replace_expert({{kExpert + ".B", DType::kI32, {4, 64}, zeros(1024)}}),
                  {"Marlin"}),
  };
}

}  // namespace

std::vector<MalformedCase> malformed_tensors() {
  std::vector<MalformedCase> all;
  for (auto list : {absence_cases, shape_cases, dtype_cases, value_cases}) {
    for (MalformedCase& item : list()) {
      item.fragments.emplace_back(item.name.starts_with("no_") || item.name.starts_with("more_")
                                      ? ": tensor "
                                      : "model.safetensors: tensor ");
      all.push_back(std::move(item));
    }
  }
  return all;
}

}  // namespace hearth::testing
