// The header of one safetensors file, parsed and checked against the file's size.
//
//   8 bytes   header length, little endian
//   n bytes   JSON: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [begin, end]}, …}
//             and optionally "__metadata__": {string: string}
//   the rest  the data section; offsets are relative to its start
//
// What the format promises is checked, not trusted: known dtypes, sizes that equal the product of
// the shape (without overflow), data that covers the section exactly (no overlap, hole or rest), no
// duplicate key, no unknown field. Stricter than the format: at most TensorView::kMaxRank
// dimensions, and every tensor aligned to its element size, because hearth computes in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor_view.h"

namespace hearth {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  int rank = 0;
  std::array<int64_t, TensorView::kMaxRank> dims{};
  uint64_t begin = 0;  // bytes from the start of the data section
  uint64_t end = 0;
};

struct SafetensorsHeader {
  uint64_t data_offset = 0;               // bytes from the start of the file to the data section
  std::vector<SafetensorsEntry> entries;  // sorted by name
};

/// The longest header that the reference implementation accepts, in bytes.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

/// Parses the header of a mapped file; reads nothing of the data section. `path` is for messages.
/// Throws LoadError.
SafetensorsHeader parse_safetensors(std::span<const std::byte> file,
                                    const std::filesystem::path& path);

/// The bytes of a file up to its data section: length, JSON and the spaces that align the data to
/// 8 bytes. begin and end of the entries, which must cover the section in order, are written as
/// they are.
std::string safetensors_preamble(std::span<const SafetensorsEntry> entries);

}  // namespace hearth
