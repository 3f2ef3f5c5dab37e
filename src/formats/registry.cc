#include <fmt/format.h>

#include <array>
#include <string>

#include "base/error.h"
#include "formats/format.h"
#include "formats/packings.h"

namespace hearth {
namespace {

/// A tensor that gives away a packing which hearth does not read.
struct UnreadPacking {
  std::string_view suffix;
  std::string_view packing;
};

constexpr std::array<UnreadPacking, 8> kUnreadPackings = {{
    {"weight_packed", "compressed-tensors (pack-quantized)"},
    {"weight_scale_inv", "FP8 in blocks"},
    {"weight_scale", "FP8 or compressed-tensors"},
    {"weight.absmax", "bitsandbytes"},
    {"weight.quant_state.bitsandbytes__nf4", "bitsandbytes"},
    {"SCB", "bitsandbytes (int8)"},
    {"blocks", "MXFP4"},
    {"B", "Marlin"},
}};

[[noreturn]] void fail(const Checkpoint& checkpoint, const std::string& tensor,
                       std::string expected, std::string found, std::string advice) {
  throw LoadError({.file = checkpoint.file_of(tensor),
                   .where = "tensor \"" + tensor + "\"",
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = std::move(advice)});
}

void refuse_unread_packings(const Checkpoint& checkpoint, std::string_view module) {
  for (const auto& [suffix, packing] : kUnreadPackings) {
    const std::string tensor = fmt::format("{}.{}", module, suffix);
    if (!checkpoint.find(tensor)) continue;
    fail(checkpoint, tensor, "a packing that hearth reads (plain, GPTQ, AutoRound auto_gptq)",
         fmt::format("{}", packing), "Use an AutoRound, GPTQ or unquantized export of the model.");
  }
}

}  // namespace

std::span<const Format> all_formats() {
  // A module may match one row only; find_format refuses two.
  static const std::array formats = {kGptqFormat, kPlainFormat};
  return formats;
}

const Format& find_format(const Checkpoint& checkpoint, std::string_view module) {
  refuse_unread_packings(checkpoint, module);
  const Format* found = nullptr;
  for (const Format& format : all_formats()) {
    if (!format.recognises(checkpoint, module)) continue;
    if (found) {
      fail(checkpoint, fmt::format("{}.weight", module), "one packing of the module",
           fmt::format("both {} and {} tensors", found->name, format.name),
           "Remove the tensors that are not meant, or download the model again.");
    }
    found = &format;
  }
  if (!found) {
    fail(checkpoint, fmt::format("{}.weight", module), "this tensor, or .qweight", "neither",
         "The model is incomplete, or config.json is of another model.");
  }
  return *found;
}

QuantizedMatrix load_linear(const Checkpoint& checkpoint, const QuantizationConfig& config,
                            const LinearModule& module) {
  return find_format(checkpoint, module.name).load(checkpoint, config, module);
}

}  // namespace hearth
