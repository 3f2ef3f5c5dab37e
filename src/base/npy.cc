#include "base/npy.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hearth {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicBytes = 6;
constexpr size_t kHeaderAlign = 64;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw Error(ExitCode::kFailure, fmt::format("{}: {}", path.string(), what));
}

struct NpyFile {
  std::string type;  // e.g. "<f4"
  std::vector<int64_t> shape;
  std::string data;

  int64_t count() const {
    int64_t product = 1;
    for (const int64_t dim : shape) product *= dim;
    return product;
  }
};

/// The text after `'key':` in the header's dictionary.
std::string_view after_key(const std::filesystem::path& path, std::string_view header,
                           std::string_view key) {
  const size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) fail(path, fmt::format("no '{}' in the .npy header.", key));
  return header.substr(at + key.size() + 3);
}

NpyFile read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail(path, "cannot be opened.");
  std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (bytes.size() < 12 || bytes.compare(0, kMagicBytes, kMagic) != 0) {
    fail(path, "is not an .npy file.");
  }
  const bool wide = bytes[6] != 1;  // version 2: four bytes of header length
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, wide ? 4 : 2);
  const size_t start = (wide ? 12 : 10) + size_t{length};
  if (start > bytes.size()) fail(path, "the .npy header is cut off.");
  const std::string header = bytes.substr(wide ? 12 : 10, length);

  NpyFile file;
  const std::string_view type = after_key(path, header, "descr");
  const size_t quote = type.find('\'');
  file.type = std::string(type.substr(quote + 1, 3));
  if (after_key(path, header, "fortran_order").substr(0, 6).find("True") != std::string::npos) {
    fail(path, "is in Fortran order; save it with numpy.ascontiguousarray.");
  }
  std::string shape(after_key(path, header, "shape"));
  shape = shape.substr(0, shape.find(')'));
  for (const char* at = shape.c_str(); *at != '\0';) {
    char* end = nullptr;
    const int64_t dim = std::strtoll(at, &end, 10);
    if (end != at && dim >= 0) file.shape.push_back(dim);
    at = end != at ? end : at + 1;
  }
  file.data = bytes.substr(start);
  return file;
}

template <typename From, typename To>
std::vector<To> convert(const std::filesystem::path& path, const NpyFile& file) {
  const size_t count = static_cast<size_t>(file.count());
  if (file.data.size() / sizeof(From) < count) fail(path, "the .npy data is cut off.");
  std::vector<To> values(count);
  for (size_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, file.data.data() + i * sizeof(From), sizeof(From));
    values[i] = static_cast<To>(value);
  }
  return values;
}

}  // namespace

NpyFloats read_npy_floats(const std::filesystem::path& path) {
  const NpyFile file = read(path);
  if (file.type != "<f4") fail(path, fmt::format("holds '{}', expected float32.", file.type));
  return {file.shape, convert<float, float>(path, file)};
}

NpyInts read_npy_ints(const std::filesystem::path& path) {
  const NpyFile file = read(path);
  if (file.type == "<i4") return {file.shape, convert<int32_t, int64_t>(path, file)};
  if (file.type == "<i8") return {file.shape, convert<int64_t, int64_t>(path, file)};
  fail(path, fmt::format("holds '{}', expected int32 or int64.", file.type));
}

NpyWriter::NpyWriter(const std::filesystem::path& path, int64_t rows, int64_t columns)
    : path_(path), file_(path, std::ios::binary) {
  if (!file_) fail(path_, "cannot be written.");
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  const size_t unpadded = kMagicBytes + 4 + header.size() + 1;
  header.append((kHeaderAlign - unpadded % kHeaderAlign) % kHeaderAlign, ' ');
  header += '\n';
  const uint16_t length = static_cast<uint16_t>(header.size());
  file_.write(kMagic, kMagicBytes);
  file_.write("\x01\x00", 2);
  file_.write(reinterpret_cast<const char*>(&length), sizeof length);
  file_ << header;
}

void NpyWriter::append(std::span<const float> row) {
  file_.write(reinterpret_cast<const char*>(row.data()),
              static_cast<std::streamsize>(row.size_bytes()));
}

void NpyWriter::close() {
  file_.close();
  if (!file_) fail(path_, "could not be written to the end (is the disk full?).");
}

}  // namespace hearth
