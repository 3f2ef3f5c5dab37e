// Element types of a safetensors file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hearth {

enum class DType : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64,
};

/// Bytes of one element.
size_t dtype_bytes(DType dtype);

/// The name that safetensors headers use, e.g. "BF16".
std::string_view dtype_name(DType dtype);

/// The inverse of dtype_name; nothing when the name is unknown.
std::optional<DType> parse_dtype(std::string_view name);

}  // namespace hearth
