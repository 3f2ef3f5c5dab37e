// What this processor can execute and the operating system lets programs use.
#pragma once

#include <string>
#include <string_view>

namespace hearth {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA and F16C
  bool avx_vnni = false;     // 8-bit dot products on 256-bit registers, on top of avx2
  bool avx512 = false;       // AVX-512 F, BW, DQ and VL, on top of avx2
  bool avx512_vnni = false;  // 8-bit dot products on 512-bit registers
  bool avx512_bf16 = false;  // dot products of bf16 pairs

  bool neon_dotprod = false;  // 64-bit ARM with 8-bit dot products and half-precision floats
};

CpuFeatures detect_cpu_features();

/// Whether this processor can run the instruction set that the kernels call `name`: "avx2",
/// "avxvnni", "avx512" (which needs its own VNNI as well), "avx512bf16" or "neon" (which needs dot
/// products). False for any other name.
bool cpu_can_run(std::string_view name);

/// The processor's marketing name, e.g. for `hearth bench`; "unknown" where there is none.
std::string cpu_model_name();

}  // namespace hearth
