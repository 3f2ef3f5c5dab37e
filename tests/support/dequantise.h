// The plainest reading of a QuantizedMatrix, as the truth for tests.
#pragma once

#include <vector>

#include "tensor/quantized_matrix.h"

namespace hearth::testing {

/// W [rows, cols], row-major.
std::vector<float> dequantise(const QuantizedMatrix& matrix);

}  // namespace hearth::testing
