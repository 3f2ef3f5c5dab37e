// The configuration file as a list of entries. TOML is read by toml++
// (docs/decisions/0016-toml-and-one-option-table.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hearth {

struct SettingsEntry {
  std::vector<std::string> tables;  ///< [generate] → {"generate"}
  std::string key;                  ///< "" for the table itself
  std::vector<std::string> values;  ///< as they would be typed; several: an array
  bool boolean = false;
  std::string place;  ///< "FILE:LINE"
};

/// Every table and key of the file, in the order of their names. Throws UsageError with file and
/// line for what is not TOML, and for values that no option can have: dates, tables in arrays.
std::vector<SettingsEntry> read_settings_file(const std::filesystem::path& file);

}  // namespace hearth
