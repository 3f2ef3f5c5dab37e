// NumPy's .npy files (format 1.0 and 2.0): little-endian, C order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

namespace hearth {

struct NpyFloats {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

struct NpyInts {
  std::vector<int64_t> shape;
  std::vector<int64_t> values;
};

/// Reads an array of float32. Throws Error naming the file and what is wrong with it.
NpyFloats read_npy_floats(const std::filesystem::path& path);

/// Reads an array of int32 or int64. Throws Error.
NpyInts read_npy_ints(const std::filesystem::path& path);

/// Writes a float32 array row by row; the number of rows is fixed at the start.
class NpyWriter {
 public:
  /// Throws Error when the file cannot be written.
  NpyWriter(const std::filesystem::path& path, int64_t rows, int64_t columns);
  void append(std::span<const float> row);
  /// Flushes; throws Error when anything could not be written.
  void close();

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace hearth
