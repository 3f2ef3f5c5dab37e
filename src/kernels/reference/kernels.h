// The reference kernels.
#pragma once

#include "kernels/kernel_set.h"

namespace hearth::reference {

#include "kernels/functions.inc"

void block_sums_w4(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                   const ActivationTile& input, int32_t* sums);
void block_sums_w8(const QuantizedMatrix& matrix, int64_t block_begin, int64_t block_end,
                   const ActivationTile& input, int32_t* sums);
void scale_sums_w4(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const ActivationTile& input, const int32_t* sums, float* y);
void scale_sums_w8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                   const ActivationTile& input, const int32_t* sums, float* y);

}  // namespace hearth::reference
