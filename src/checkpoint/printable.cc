#include "checkpoint/printable.h"

#include <fmt/format.h>

namespace hearth {

std::string printable(std::string_view text) {
  constexpr size_t kMaxBytes = 200;
  size_t length = text.size();
  if (length > kMaxBytes) {
    length = kMaxBytes;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  }
  std::string result = "\"";
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02X}", byte);
    } else {
      result += c;
    }
  }
  result += length < text.size() ? "…\"" : "\"";
  return result;
}

std::string shape_text(std::span<const int64_t> dims) {
  std::string result = "[";
  for (const int64_t dim : dims) {
    if (result.size() > 1) result += ", ";
    result += dim < 0 ? "any" : std::to_string(dim);
  }
  return result + "]";
}

std::string shape_text(const TensorView& view) {
  return shape_text(std::span(view.dims.data(), static_cast<size_t>(view.rank)));
}

std::string joined(std::span<const std::string> items, std::string_view separator) {
  std::string result;
  for (const std::string& item : items) {
    if (&item != items.data()) result += separator;
    result += item;
  }
  return result;
}

}  // namespace hearth
