#include "text/text_library.h"

#include <fstream>
#include <iterator>
#include <system_error>

#include "base/error.h"

namespace hearth::text_library {

std::string take(hearth_text_bytes bytes) {
  std::string copy(bytes.data, bytes.size);
  hearth_text_free_bytes(bytes);
  return copy;
}

std::vector<int32_t> take(hearth_text_ids ids) {
  std::vector<int32_t> copy(ids.data, ids.data + ids.size);
  hearth_text_free_ids(ids);
  return copy;
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (!std::filesystem::exists(status)) return std::nullopt;
  std::string content;
  // Reading a directory would throw an exception of the library's own.
  bool readable = !std::filesystem::is_directory(status);
  if (readable) {
    std::ifstream file(path, std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(file), {});
    readable = file.is_open() && !file.bad();
  }
  if (!readable) {
    throw LoadError(
        {path, "", "a readable file", "one that cannot be read", "Check the rights of the file."});
  }
  return content;
}

}  // namespace hearth::text_library
