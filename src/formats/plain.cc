// Unquantized linear layers: `.weight` [rows, cols], used in place.
#include <fmt/format.h>

#include <string>

#include "base/error.h"
#include "formats/packings.h"

namespace hearth {
namespace {

bool recognises(const Checkpoint& checkpoint, std::string_view module) {
  return checkpoint.find(std::string(module) + ".weight") != nullptr;
}

QuantizedMatrix load(const Checkpoint& checkpoint, const QuantizationConfig&,
                     const LinearModule& module) {
  const std::string name = std::string(module.name) + ".weight";
  const TensorView view = checkpoint.require(name, {module.rows, module.cols});
  QuantizedMatrix matrix{.rows = module.rows, .cols = module.cols, .weights = view.data};
  switch (view.dtype) {
    case DType::kBF16: matrix.layout = QuantLayout::kBf16; return matrix;
    case DType::kF16: matrix.layout = QuantLayout::kF16; return matrix;
    case DType::kF32: matrix.layout = QuantLayout::kF32; return matrix;
    default: break;
  }
  const bool fp8 = view.dtype == DType::kF8E4M3 || view.dtype == DType::kF8E5M2;
  throw LoadError({.file = checkpoint.file_of(name),
                   .where = "tensor \"" + name + "\"",
                   .expected = "dtype BF16, F16 or F32",
                   .found = std::string(dtype_name(view.dtype)),
                   .advice = fp8 ? "hearth does not read FP8 weights yet."
                                 : "hearth does not read this quantization."});
}

}  // namespace

const Format kPlainFormat = {.name = "plain", .recognises = recognises, .load = load};

}  // namespace hearth
