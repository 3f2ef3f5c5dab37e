// Entry points of the AVX-512 kernels; kernel_set.h says what each does.
#pragma once

#include "kernels/kernel_set.h"

namespace hearth::avx512 {

/// Tokens of a tile of int8 products in registers.
inline constexpr int kPartTokens = 12;

void quantize_activations(const float* x, int64_t cols, int64_t block, QuantLayout order,
                          int64_t stride, int32_t* words, float* scales, int32_t* sums);

void interleave(const int32_t* const* rows, int tokens, int64_t words, int32_t* tile);
void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output);
void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output);
void matmul_w4_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output);
void matmul_w8_float(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                     const FloatTile& input, const ProductOutput& output);
void matmul_bf16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                 const FloatTile& input, const ProductOutput& output);
void matmul_f16(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output);
void matmul_f32(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                const FloatTile& input, const ProductOutput& output);

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y);
void gated_rms_norm(const float* x, const float* weight, const float* gate, int64_t n, float eps,
                    float* y);
void l2_normalize(const float* x, int64_t n, float scale, float* y);
void swiglu(float* gate, const float* up, int64_t n);
void sigmoid_gate(float* x, const float* gate, int64_t n);
void accumulate(const float* x, float scale, int64_t n, float* y);
void conv_silu(const ConvRun& run);
void delta_gates(const DeltaGates& gates);
void delta_recurrent(const DeltaHead& head);
void delta_chunked(const DeltaHead& head, float* scratch);
void attend_f32(const AttentionBlock& block);
void attend_bf16(const AttentionBlock& block);
void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves);

int64_t int8_probe(int64_t rounds);
int64_t bf16_probe(int64_t rounds);

}  // namespace hearth::avx512
