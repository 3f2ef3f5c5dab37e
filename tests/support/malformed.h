// Damaged model folders: how to make each one, and what its error message has to say.
#pragma once

#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/model_source.h"

namespace hearth::testing {

struct MalformedCase {
  std::string name;                    // letters, digits and underscores
  std::vector<std::string> fragments;  // of the message: file, tensor or field, expected, found
  int shards = 1;
  /// Changes the good model before it is written; may be empty.
  std::function<void(ModelSource&)> change = {};
  /// Changes the files of the folder afterwards; may be empty.
  std::function<void(const std::filesystem::path&)> damage = {};

  /// Makes the damaged folder.
  void write(const std::filesystem::path& folder) const;
};

/// For GoogleTest's messages.
inline void PrintTo(const MalformedCase& item, std::ostream* out) { *out << item.name; }

std::vector<MalformedCase> malformed_headers();
std::vector<MalformedCase> malformed_folders();
std::vector<MalformedCase> malformed_configs();
std::vector<MalformedCase> malformed_quantization();
std::vector<MalformedCase> malformed_tensors();

/// All of them.
std::vector<MalformedCase> malformed_models();

}  // namespace hearth::testing
