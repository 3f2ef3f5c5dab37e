// GPTQ (v1 and v2) and AutoRound's auto_gptq packing, used in place as K-packed matrices.
//
// For y = W·x with W [rows N, cols K], b bits, pf = 32 / b values a word, groups of gs inputs:
//
//   X.qweight  I32 [K/pf, N]      word [i, n] holds W's codes for k = i·pf … i·pf + pf − 1, lowest
//                                 k in the lowest bits
//   X.qzeros   I32 [K/gs, N/pf]   zero points, packed along n, stored minus one except by GPTQ v2
//   X.scales   F16 or BF16 [K/gs, N], of any sign: AutoRound's are negative half of the time
//   X.g_idx    I32 [K], optional  the group of each input; only k / gs is supported
//
//   W[n, k] = scales[k/gs, n] · (code[n, k] − (stored zero[k/gs, n] + zero_offset))
//
// b and gs are read off the shapes, so that mixed checkpoints need no configuration.
#include <fmt/format.h>

#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "formats/packings.h"

namespace hearth {
namespace {

/// One module's tensors on the way to a matrix, and how to complain about them.
class GptqModule {
 public:
  GptqModule(const Checkpoint& checkpoint, const LinearModule& module)
      : checkpoint_(checkpoint), module_(module) {}

  std::string name(std::string_view suffix) const {
    return fmt::format("{}.{}", module_.name, suffix);
  }

  const CheckpointTensor* find(std::string_view suffix) const {
    return checkpoint_.find(name(suffix));
  }

  TensorView require(std::string_view suffix, std::initializer_list<int64_t> shape,
                     std::initializer_list<DType> dtypes) const {
    return checkpoint_.require(name(suffix), shape, dtypes);
  }

  [[noreturn]] void fail(std::string_view suffix, std::string expected, std::string found,
                         std::string advice) const {
    throw LoadError({.file = checkpoint_.file_of(name(suffix)),
                     .where = "tensor \"" + name(suffix) + "\"",
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = std::move(advice)});
  }

 private:
  const Checkpoint& checkpoint_;
  const LinearModule& module_;
};

bool recognises(const Checkpoint& checkpoint, std::string_view module) {
  return checkpoint.find(std::string(module) + ".qweight") != nullptr;
}

/// Bits of a code, from the shape of qweight; throws when they are not 4 or 8.
int code_bits(const GptqModule& tensors, const LinearModule& module) {
  const TensorView view = tensors.require("qweight", {-1, -1}, {DType::kI32});
  const auto [words, columns] = std::pair(view.dims[0], view.dims[1]);
  const std::string expected =
      fmt::format("shape [{}, {}] (4 bits) or [{}, {}] (8 bits)", module.cols / 8, module.rows,
                  module.cols / 4, module.rows);
  const std::string found = fmt::format("[{}, {}]", words, columns);
  if (columns != module.rows) {
    if (words == module.cols && columns * 8 == module.rows) {
      tensors.fail("qweight", expected, found + ", the packing of AWQ",
                   "hearth does not read AWQ yet; AutoRound and GPTQ exports of the model work.");
    }
    tensors.fail("qweight", expected, found,
                 "config.json and the weights may be of different models.");
  }
  for (const int bits : {4, 8}) {
    if (words * 32 == module.cols * bits) return bits;
  }
  std::string advice = "config.json and the weights may be of different models.";
  if (words > 0 && words * 32 % module.cols == 0) {
    advice = fmt::format("The module has {} bits a weight; hearth reads 4 and 8.",
                         words * 32 / module.cols);
  }
  tensors.fail("qweight", expected, found, advice);
}

/// Throws unless every scale is finite and some scale is not zero.
void check_scales(const GptqModule& tensors, const TensorView& scales) {
  // Infinity and NaN have all exponent bits set.
  const unsigned exponent = scales.dtype == DType::kF16 ? 0x7C00u : 0x7F80u;
  const std::span<const uint16_t> values(scales.as<uint16_t>(),
                                         static_cast<size_t>(scales.element_count()));
  unsigned any_bad = 0;
  unsigned any_bits = 0;
  for (const uint16_t value : values) {  // no branches: a checkpoint has a gigabyte of scales
    any_bad |= static_cast<unsigned>((value & exponent) == exponent);
    any_bits |= value;
  }
  if (any_bad) {
    size_t index = 0;
    while ((values[index] & exponent) != exponent) ++index;
    const auto columns = static_cast<size_t>(scales.dims[1]);
    tensors.fail("scales", "finite scales",
                 fmt::format("NaN or infinity (bits 0x{:04X}) at [{}, {}]", values[index],
                             index / columns, index % columns),
                 "The file is damaged, or the quantization failed: download the model again.");
  }
  if ((any_bits & 0x7FFFu) == 0) {
    tensors.fail("scales", "scales other than zero", "only zeros",
                 "The file was probably never completely downloaded: download it again.");
  }
}

/// Throws unless the group of each input is k / group_size.
void check_group_index(const GptqModule& tensors, const LinearModule& module, int64_t group_size) {
  const TensorView view = tensors.require("g_idx", {module.cols}, {DType::kI32});
  const int32_t* groups = view.as<int32_t>();
  for (int64_t k = 0; k < module.cols; ++k) {
    if (groups[k] == k / group_size) continue;
    tensors.fail("g_idx", fmt::format("group {} for input {}", k / group_size, k),
                 fmt::format("group {}", groups[k]),
                 "hearth does not read models quantized with desc_act=true yet.");
  }
}

/// Throws when the module has a bias other than zero; some exporters write zeros.
void check_bias(const GptqModule& tensors) {
  const CheckpointTensor* bias = tensors.find("bias");
  if (!bias) return;
  const std::span<const std::byte> bytes(bias->view.data, bias->view.bytes());
  for (const std::byte byte : bytes) {
    if (byte != std::byte{0}) {
      tensors.fail("bias", "no bias, or zeros", "other values",
                   "The linear layers of this model have no bias.");
    }
  }
}

/// Whether every stored zero point is that of symmetric quantization, 2^(bits−1).
bool zeros_are_symmetric(const TensorView& zeros, int bits, int32_t zero_offset) {
  const uint32_t stored = (1u << (bits - 1)) - static_cast<uint32_t>(zero_offset);
  const uint32_t word = bits == 4 ? stored * 0x11111111u : stored * 0x01010101u;
  const std::span<const uint32_t> words(zeros.as<uint32_t>(),
                                        static_cast<size_t>(zeros.element_count()));
  uint32_t difference = 0;
  for (const uint32_t value : words) difference |= value ^ word;
  return difference == 0;
}

/// Throws when a zero point of version 1 is stored as all ones. A true zero of 0, less one, has no
/// representation: some writers wrap it around, some borrow from the next field, some spill over
/// all fields above, and readers differ as well. None can be told from the others.
void check_zero_points(const GptqModule& tensors, const TensorView& zeros, int bits) {
  const uint32_t ones = (1u << bits) - 1;
  const uint32_t* words = zeros.as<uint32_t>();
  for (int64_t i = 0; i < zeros.element_count(); ++i) {
    for (int shift = 0; shift < 32; shift += bits) {
      if ((words[i] >> shift & ones) != ones) continue;
      tensors.fail(
          "qzeros", fmt::format("stored zero points below {}", ones),
          fmt::format("{} in the word at [{}, {}]", ones, i / zeros.dims[1], i % zeros.dims[1]),
          "In version 1 of the format this is ambiguous: export the model as gptq_v2 or "
          "with symmetric quantization.");
    }
  }
}

/// What has to be added to a stored zero point; throws when the configuration does not say.
int32_t stored_zero_offset(const Checkpoint& checkpoint, const QuantizationConfig& config,
                           const LinearModule& module) {
  if (config.method.empty()) {
    throw LoadError({.file = checkpoint.directory() / "config.json",
                     .where = "quantization_config",
                     .expected = fmt::format("the field, since {} is quantized", module.name),
                     .found = "nothing",
                     .advice = "How zero points are stored is known from there only."});
  }
  return config.checkpoint_format == "gptq_v2" ? 0 : 1;
}

QuantizedMatrix load(const Checkpoint& checkpoint, const QuantizationConfig& config,
                     const LinearModule& module) {
  const GptqModule tensors(checkpoint, module);
  const int bits = code_bits(tensors, module);
  const int64_t per_word = 32 / bits;

  const TensorView scales =
      tensors.require("scales", {-1, module.rows}, {DType::kF16, DType::kBF16});
  const int64_t groups = scales.dims[0];
  const bool divides = groups > 0 && module.cols % groups == 0;
  if (!divides || module.cols / groups % per_word != 0) {
    tensors.fail("scales",
                 fmt::format("rows that divide {} inputs into groups of a multiple of {}",
                             module.cols, per_word),
                 fmt::format("{} rows", groups),
                 "config.json and the weights may be of different models.");
  }
  if (module.rows % per_word != 0) {
    tensors.fail("qzeros", fmt::format("outputs in multiples of {}", per_word),
                 fmt::format("{}", module.rows), "Quantizers leave such modules in 16 bits.");
  }
  const TensorView zeros =
      tensors.require("qzeros", {groups, module.rows / per_word}, {DType::kI32});
  const int64_t group_size = module.cols / groups;
  if (tensors.find("g_idx")) check_group_index(tensors, module, group_size);
  check_bias(tensors);
  check_scales(tensors, scales);

  const int32_t zero_offset = stored_zero_offset(checkpoint, config, module);
  const bool symmetric = zeros_are_symmetric(zeros, bits, zero_offset);
  if (!symmetric && zero_offset == 1) check_zero_points(tensors, zeros, bits);
  return {.layout = bits == 4 ? QuantLayout::kW4KPacked : QuantLayout::kW8KPacked,
          .scale_type = scales.dtype == DType::kF16 ? ScaleType::kF16 : ScaleType::kBf16,
          .rows = module.rows,
          .cols = module.cols,
          .group_size = group_size,
          .zero_offset = zero_offset,
          .weights = tensors.require("qweight", {-1, -1}, {}).data,
          .scales = scales.as<uint16_t>(),
          .zeros = symmetric ? nullptr : zeros.as<uint32_t>()};
}

}  // namespace

const Format kGptqFormat = {.name = "gptq", .recognises = recognises, .load = load};

}  // namespace hearth
