#include "tests/kernels/kernel_cases.h"

#include "tests/kernels/cases.h"

namespace hearth::kernel_check {
namespace {

template <auto kMember>
const void* pointer(const KernelSet& set) {
  return reinterpret_cast<const void*>(set.*kMember);
}

constexpr KernelCases kKernels[] = {
    {"quantize_activations", check_quantize, pointer<&KernelSet::quantize_activations>},
    {"interleave", check_interleave, pointer<&KernelSet::interleave>},
    {"matmul_w4_int8", check_w4_int8, pointer<&KernelSet::matmul_w4_int8>},
    {"matmul_w8_int8", check_w8_int8, pointer<&KernelSet::matmul_w8_int8>},
    {"block_sums_w4", check_w4_steps, pointer<&KernelSet::block_sums_w4>},
    {"block_sums_w8", check_w8_steps, pointer<&KernelSet::block_sums_w8>},
    {"matmul_w4_float", check_w4_float, pointer<&KernelSet::matmul_w4_float>},
    {"matmul_w8_float", check_w8_float, pointer<&KernelSet::matmul_w8_float>},
    {"matmul_bf16", check_bf16, pointer<&KernelSet::matmul_bf16>},
    {"matmul_f16", check_f16, pointer<&KernelSet::matmul_f16>},
    {"matmul_f32", check_f32, pointer<&KernelSet::matmul_f32>},
    {"rms_norm", check_rms_norm, pointer<&KernelSet::rms_norm>},
    {"gated_rms_norm", check_gated_rms_norm, pointer<&KernelSet::gated_rms_norm>},
    {"l2_normalize", check_l2_normalize, pointer<&KernelSet::l2_normalize>},
    {"swiglu", check_swiglu, pointer<&KernelSet::swiglu>},
    {"sigmoid_gate", check_sigmoid_gate, pointer<&KernelSet::sigmoid_gate>},
    {"accumulate", check_accumulate, pointer<&KernelSet::accumulate>},
    {"conv_silu", check_conv_silu, pointer<&KernelSet::conv_silu>},
    {"delta_gates", check_delta_gates, pointer<&KernelSet::delta_gates>},
    {"delta_recurrent", check_delta_recurrent, pointer<&KernelSet::delta_recurrent>},
    {"delta_chunked", check_delta_chunked, pointer<&KernelSet::delta_chunked>},
    {"attend_f32", check_attend_f32, pointer<&KernelSet::attend_f32>},
    {"attend_bf16", check_attend_bf16, pointer<&KernelSet::attend_bf16>},
    {"widen_int8", check_widen_int8, pointer<&KernelSet::widen_int8>},
};

}  // namespace

std::span<const KernelCases> all_kernels() { return kKernels; }

const KernelCases* find_kernel(std::string_view name) {
  for (const KernelCases& cases : kKernels) {
    if (name == cases.kernel) return &cases;
  }
  return nullptr;
}

bool run_cases(const KernelCases& cases, const KernelSet& set, Check& check) {
  check.start_kernel(set.name, cases.kernel);
  cases.run(set, check);
  return check.finish_kernel();
}

}  // namespace hearth::kernel_check
