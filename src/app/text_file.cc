#include "app/text_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"

namespace hearth {

std::string read_text_file(const std::string& path, const std::string& advice) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  std::ifstream file(path, std::ios::binary);
  if (folder || !file) {
    throw UsageError(fmt::format("{}: cannot be read: {}.{}{}", path,
                                 folder ? "it is a folder" : std::strerror(errno),
                                 advice.empty() ? "" : " ", advice));
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace hearth
