#include "checkpoint/shard_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace hearth {
namespace {

constexpr std::string_view kIndexAgain =
    "The index is damaged or incomplete: download or copy it again.";

/// A file name without any path, of a safetensors file.
bool is_shard_name(std::string_view name) {
  return name.ends_with(".safetensors") && !name.starts_with('.') &&
         name.find('/') == std::string_view::npos && name.find('\\') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

/// Receives the JSON events of an index; keeps the rows of weight_map, skips everything else.
class IndexHandler {
 public:
  using Json = nlohmann::json;

  explicit IndexHandler(const std::filesystem::path& path) : path_(path) {}

  ShardIndex take(bool& map_seen) {
    map_seen = map_seen_;
    return std::move(index_);
  }

  bool null() { return scalar("null"); }
  bool boolean(bool value) { return scalar(value ? "true" : "false"); }
  bool number_integer(int64_t value) { return scalar(fmt::format("{}", value)); }
  bool number_unsigned(uint64_t value) { return scalar(fmt::format("{}", value)); }
  bool number_float(double, const std::string& text) { return scalar(text); }
  bool binary(Json::binary_t&) { return scalar("binary data"); }

  bool string(std::string& value) {
    if (!in_map()) return scalar(printable(value));
    if (!is_shard_name(value)) {
      fail("tensor " + printable(tensor_), "the name of a .safetensors file in the same folder",
           printable(value), "An index may not point outside its folder.");
    }
    const auto [place, is_new] =
        shards_.try_emplace(value, static_cast<uint32_t>(index_.files.size()));
    if (is_new) index_.files.push_back(std::move(value));
    index_.rows.push_back({std::move(tensor_), place->second});
    return true;
  }

  bool start_object(size_t) { return enter(true); }
  bool start_array(size_t) { return enter(false); }
  bool end_array() { return leave(); }
  bool end_object() { return leave(); }

  bool key(std::string& name) {
    if (in_map()) {
      tensor_ = std::move(name);
    } else if (depth_ == 1) {
      at_map_ = name == "weight_map";
      if (at_map_ && std::exchange(map_seen_, true)) {
        fail("weight_map", "the field once", "it twice", kIndexAgain);
      }
    }
    return true;
  }

  bool parse_error(size_t position, const std::string& token, const Json::exception&) {
    fail(fmt::format("byte {}", position), "valid JSON in UTF-8",
         token.empty() ? "its end" : printable(token), kIndexAgain);
  }

 private:
  bool in_map() const { return at_map_ && depth_ == 2; }

  /// A value that is not a string: nothing to us outside weight_map, wrong inside.
  bool scalar(const std::string& found) {
    if (depth_ == 0) fail("", "a JSON object", found, kIndexAgain);
    if (in_map()) fail("tensor " + printable(tensor_), "a file name", found, kIndexAgain);
    if (at_map_) fail("weight_map", "an object of file names", found, kIndexAgain);
    return true;
  }

  bool enter(bool object) {
    const bool allowed = at_map_ ? depth_ == 1 && object : depth_ > 0 || object;
    if (!allowed) scalar(object ? "an object" : "a list");
    ++depth_;
    return true;
  }

  bool leave() {
    if (--depth_ == 1) at_map_ = false;
    return true;
  }

  [[noreturn]] void fail(std::string where, std::string expected, std::string found,
                         std::string_view advice) const {
    throw LoadError({.file = path_,
                     .where = std::move(where),
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = std::string(advice)});
  }

  const std::filesystem::path& path_;
  ShardIndex index_;
  std::unordered_map<std::string, uint32_t> shards_;
  std::string tensor_;  // the key whose value comes next
  uint64_t depth_ = 0;  // of open objects and lists
  bool at_map_ = false;
  bool map_seen_ = false;
};

}  // namespace

ShardIndex parse_shard_index(std::span<const std::byte> file, const std::filesystem::path& path) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const auto fail = [&](std::string where, std::string expected, std::string found) {
    throw LoadError({.file = path,
                     .where = std::move(where),
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = std::string(kIndexAgain)});
  };
  // The JSON library takes a zero byte for the end of its input and would accept what follows.
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    fail(fmt::format("byte {}", zero), "valid JSON in UTF-8", "a zero byte");
  }
  IndexHandler handler(path);
  nlohmann::json::sax_parse(text.begin(), text.end(), &handler);
  bool map_seen = false;
  ShardIndex index = handler.take(map_seen);
  if (!map_seen) fail("weight_map", "the field", "nothing");
  if (index.rows.empty()) fail("weight_map", "at least one tensor", "none");

  const auto by_name = [](const ShardIndex::Row& a, const ShardIndex::Row& b) {
    return a.tensor < b.tensor;
  };
  if (!std::is_sorted(index.rows.begin(), index.rows.end(), by_name)) {
    std::sort(index.rows.begin(), index.rows.end(), by_name);
  }
  for (size_t i = 1; i < index.rows.size(); ++i) {
    if (index.rows[i].tensor == index.rows[i - 1].tensor) {
      fail("tensor " + printable(index.rows[i].tensor), "the name once in weight_map", "it twice");
    }
  }
  return index;
}

}  // namespace hearth
