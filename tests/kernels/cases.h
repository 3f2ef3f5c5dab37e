// The cases of every kernel; each fails its Check where the kernel is wrong.
#pragma once

#include "kernels/kernel_set.h"
#include "tests/kernels/check.h"

namespace hearth::kernel_check {

void check_quantize(const KernelSet& set, Check& check);
void check_interleave(const KernelSet& set, Check& check);
void check_w4_int8(const KernelSet& set, Check& check);
void check_w8_int8(const KernelSet& set, Check& check);
void check_w4_steps(const KernelSet& set, Check& check);
void check_w8_steps(const KernelSet& set, Check& check);
void check_w4_float(const KernelSet& set, Check& check);
void check_w8_float(const KernelSet& set, Check& check);
void check_bf16(const KernelSet& set, Check& check);
void check_f16(const KernelSet& set, Check& check);
void check_f32(const KernelSet& set, Check& check);
void check_rms_norm(const KernelSet& set, Check& check);
void check_gated_rms_norm(const KernelSet& set, Check& check);
void check_l2_normalize(const KernelSet& set, Check& check);
void check_swiglu(const KernelSet& set, Check& check);
void check_sigmoid_gate(const KernelSet& set, Check& check);
void check_accumulate(const KernelSet& set, Check& check);
void check_conv_silu(const KernelSet& set, Check& check);
void check_delta_gates(const KernelSet& set, Check& check);
void check_delta_recurrent(const KernelSet& set, Check& check);
void check_delta_chunked(const KernelSet& set, Check& check);
void check_attend_f32(const KernelSet& set, Check& check);
void check_attend_bf16(const KernelSet& set, Check& check);
void check_widen_int8(const KernelSet& set, Check& check);

}  // namespace hearth::kernel_check
