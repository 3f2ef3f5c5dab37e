#include "app/settings_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <fstream>
#include <string_view>

#include "base/error.h"

namespace hearth {
namespace {

class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file.string()) {}

  std::vector<SettingsEntry> read() {
    // A folder opens, too, and fails at the first byte.
    std::ifstream stream(file_);
    stream.peek();
    if (stream.bad() || (!stream.eof() && stream.fail())) {
      throw UsageError(fmt::format(
          "{}: cannot be read. Name a configuration file with --config FILE, or use none: "
          "--no-config.",
          file_));
    }
    stream.clear();
    try {
      read_table(toml::parse(stream, std::string_view(file_)), {});
    } catch (const toml::parse_error& error) {
      throw UsageError(fmt::format("{}: {}. The configuration file is TOML: key = value.",
                                   place(error.source()), error.description()));
    }
    return std::move(entries_);
  }

 private:
  std::string place(const toml::source_region& region) const {
    return fmt::format("{}:{}", file_, region.begin.line);
  }

  void read_table(const toml::table& table, const std::vector<std::string>& tables) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (const toml::table* inner = node.as_table()) {
        std::vector<std::string> path = tables;
        path.push_back(name);
        entries_.push_back({path, "", {}, false, place(inner->source())});
        read_table(*inner, path);
        continue;
      }
      SettingsEntry entry{tables, name, {}, node.is_boolean(), place(node.source())};
      if (const toml::array* array = node.as_array()) {
        for (const toml::node& element : *array) entry.values.push_back(typed(element, entry));
      } else {
        entry.values.push_back(typed(node, entry));
      }
      entries_.push_back(std::move(entry));
    }
  }

  /// The value as one would type it behind the flag.
  static std::string typed(const toml::node& node, const SettingsEntry& entry) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* whole = node.as_integer()) return fmt::format("{}", whole->get());
    if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* choice = node.as_boolean()) return choice->get() ? "true" : "false";
    throw UsageError(
        fmt::format("{}: {}: expected a string, a number, true or false, or an array of those.",
                    entry.place, entry.key));
  }

  std::string file_;
  std::vector<SettingsEntry> entries_{};
};

}  // namespace

std::vector<SettingsEntry> read_settings_file(const std::filesystem::path& file) {
  return Reader(file).read();
}

}  // namespace hearth
