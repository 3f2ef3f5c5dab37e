// Random content of synthetic tensors: any part of any tensor, in any order, by any thread, always
// the same bytes for a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace hearth {

/// 4096 16-bit values to draw from with equal chance: any distribution at the price of a lookup.
using ValueTable = std::vector<uint16_t>;
inline constexpr size_t kValueTableSize = 4096;

/// BF16 values of a normal distribution.
ValueTable normal_table(float mean, float deviation);
/// BF16 values log(a), a even in [low, high].
ValueTable log_table(float low, float high);
/// BF16 values x with softplus(x) = d, log(d) even in [log(low), log(high)].
ValueTable softplus_inverse_table(float low, float high);
/// F16 scales of size even in [0.5, 1.5] · mean; half of them negative if both_signs.
ValueTable scale_table(float mean, bool both_signs);

/// What a tensor is filled with.
struct Fill {
  enum class Kind : uint8_t { kRandomBits, kWord, kTable, kGroupIndex };
  Kind kind = Kind::kRandomBits;
  uint32_t word = 0;                                  // kWord: repeated
  uint32_t group_size = 1;                            // kGroupIndex: int32 k / group_size
  std::shared_ptr<const ValueTable> table = nullptr;  // kTable: uint16 each
};

/// The stream of a tensor's randomness.
uint64_t tensor_seed(uint64_t seed, std::string_view tensor_name);

/// Writes bytes [offset, offset + out.size()) of the tensor. offset is a multiple of 8.
void fill_bytes(const Fill& fill, uint64_t tensor_seed, uint64_t offset, std::span<std::byte> out);

}  // namespace hearth
