#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace hearth {
namespace {

static_assert(std::endian::native == std::endian::little,
              "checkpoints are little endian and used in place");

constexpr std::string_view kFileAgain =
    "The file is damaged or incomplete: download or copy it again.";
constexpr std::string_view kResave = "Save the model again with a current safetensors library.";

std::span<const int64_t> shape_of(const SafetensorsEntry& entry) {
  return {entry.dims.data(), static_cast<size_t>(entry.rank)};
}

/// Receives the JSON events of a header and builds its entries. Every event that the grammar of a
/// header does not allow at that place throws.
class HeaderHandler {
 public:
  using Json = nlohmann::json;

  HeaderHandler(const std::filesystem::path& path, uint64_t data_bytes)
      : path_(path), data_bytes_(data_bytes) {}

  std::vector<SafetensorsEntry> take_entries() { return std::move(entries_); }

  bool null() { unexpected("null"); }
  bool boolean(bool value) { unexpected(value ? "true" : "false"); }
  bool number_float(double, const std::string& text) { unexpected("the number " + text); }
  bool binary(Json::binary_t&) { unexpected("binary data"); }

  bool number_integer(int64_t value) {
    unexpected(value == 0 ? "-0" : fmt::format("the negative number {}", value));
  }

  bool number_unsigned(uint64_t value) {
    if (place_ == Place::kShape) {
      add_dimension(value);
    } else if (place_ == Place::kOffsets && offset_count_ < 2) {
      (offset_count_++ == 0 ? entry_.begin : entry_.end) = value;
    } else {
      unexpected(fmt::format("the number {}", value));
    }
    return true;
  }

  bool string(std::string& value) {
    if (place_ == Place::kMetadata) return true;
    if (place_ != Place::kTensor || field_ != kDType) unexpected("the string " + printable(value));
    const std::optional<DType> dtype = parse_dtype(value);
    if (!dtype) {
      fail("dtype", "a dtype that hearth knows (BF16, F16, F32, I32, …)", printable(value),
           kResave);
    }
    entry_.dtype = *dtype;
    return true;
  }

  bool start_object(size_t) {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && in_metadata_) {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kTensor;
      fields_seen_ = 0;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(std::string& name) {
    if (place_ == Place::kTop) {
      in_metadata_ = name == "__metadata__";
      if (in_metadata_ && std::exchange(metadata_seen_, true)) {
        fail("", "one __metadata__", "two", kResave);
      }
      entry_ = SafetensorsEntry{.name = std::move(name)};
      offset_count_ = 0;
    } else if (place_ == Place::kTensor) {
      enter_field(name);
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::kTensor) {
      finish_tensor();
      place_ = Place::kTop;
    } else if (place_ == Place::kMetadata) {
      place_ = Place::kTop;
    }
    return true;
  }

  bool start_array(size_t) {
    if (place_ == Place::kTensor && field_ == kShape) {
      place_ = Place::kShape;
    } else if (place_ == Place::kTensor && field_ == kOffsets) {
      place_ = Place::kOffsets;
    } else {
      unexpected("a list");
    }
    return true;
  }

  bool end_array() {
    if (place_ == Place::kOffsets && offset_count_ != 2) {
      fail("data_offsets", "two offsets", fmt::format("{}", offset_count_), kResave);
    }
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string& token, const Json::exception&) {
    throw LoadError({.file = path_,
                     .where = fmt::format("header, byte {}", position),
                     .expected = "valid JSON in UTF-8",
                     .found = token.empty() ? "its end" : printable(token),
                     .advice = std::string(kFileAgain)});
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets };
  enum Field : unsigned { kDType = 1, kShape = 2, kOffsets = 4, kAllFields = 7 };

  static constexpr std::string_view field_name(unsigned field) {
    return field == kDType ? "dtype" : field == kShape ? "shape" : "data_offsets";
  }

  [[noreturn]] void fail(std::string_view field, std::string expected, std::string found,
                         std::string_view advice) const {
    std::string where = "header";
    if (place_ != Place::kStart) {
      where = in_metadata_ ? "__metadata__" : "tensor " + printable(entry_.name);
    }
    if (!field.empty()) where += fmt::format(", {}", field);
    throw LoadError({.file = path_,
                     .where = std::move(where),
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = std::string(advice)});
  }

  /// The error of a JSON value that may not stand here.
  [[noreturn]] void unexpected(const std::string& found) const {
    switch (place_) {
      case Place::kStart: fail("", "a JSON object of tensors", found, kFileAgain);
      case Place::kTop:
        fail("",
             in_metadata_ ? "an object of strings" : "an object with dtype, shape, data_offsets",
             found, kResave);
      case Place::kMetadata: fail("", "only strings", found, kResave);
      case Place::kShape: fail("shape", "non-negative integers", found, kResave);
      case Place::kOffsets: fail("data_offsets", "two non-negative integers", found, kResave);
      case Place::kTensor: break;
    }
    fail(field_name(field_),
         field_ == kDType   ? "a string"
         : field_ == kShape ? "a list of non-negative integers"
                            : "a list of two offsets",
         found, kResave);
  }

  void enter_field(const std::string& name) {
    for (const Field field : {kDType, kShape, kOffsets}) {
      if (name != field_name(field)) continue;
      if (fields_seen_ & field) fail(name, "the field once", "it twice", kResave);
      fields_seen_ |= field;
      field_ = field;
      return;
    }
    fail("", "only dtype, shape and data_offsets", "the field " + printable(name), kResave);
  }

  void add_dimension(uint64_t value) {
    if (entry_.rank == TensorView::kMaxRank) {
      fail("shape", fmt::format("at most {} dimensions", TensorView::kMaxRank), "more",
           "No tensor of a supported model has that many.");
    }
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      fail("shape", "dimensions below 2^63", fmt::format("{}", value), kResave);
    }
    entry_.dims[static_cast<size_t>(entry_.rank++)] = static_cast<int64_t>(value);
  }

  void finish_tensor() {
    for (const Field field : {kDType, kShape, kOffsets}) {
      if (!(fields_seen_ & field)) fail(field_name(field), "the field", "nothing", kResave);
    }
    if (entry_.name.empty()) fail("", "a name", "an empty one", kResave);
    if (entry_.begin > entry_.end) {
      fail("data_offsets", "begin ≤ end", fmt::format("[{}, {}]", entry_.begin, entry_.end),
           kResave);
    }
    if (entry_.end > data_bytes_) {
      fail("data_offsets",
           fmt::format("an end within the {} bytes of data in the file", data_bytes_),
           fmt::format("{}", entry_.end), kFileAgain);
    }
    uint64_t bytes = dtype_bytes(entry_.dtype);
    bool overflow = false;
    for (const int64_t dim : shape_of(entry_)) {
      overflow |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes);
    }
    if (overflow || bytes != entry_.end - entry_.begin) {
      const std::string size = overflow ? "more than 2^64" : fmt::format("{}", bytes);
      fail("data_offsets",
           fmt::format("{} bytes for {} {}", size, dtype_name(entry_.dtype),
                       shape_text(shape_of(entry_))),
           fmt::format("{}", entry_.end - entry_.begin), kResave);
    }
    entries_.push_back(std::move(entry_));
  }

  const std::filesystem::path& path_;
  uint64_t data_bytes_;
  std::vector<SafetensorsEntry> entries_;
  SafetensorsEntry entry_;  // the one being read
  Place place_ = Place::kStart;
  unsigned field_ = 0;  // of entry_, the one being read
  unsigned fields_seen_ = 0;
  int offset_count_ = 0;
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
};

/// The header's JSON text.
std::string_view header_text(std::span<const std::byte> file, const std::filesystem::path& path) {
  const auto fail = [&](std::string expected, std::string found, std::string_view advice) {
    throw LoadError({.file = path,
                     .where = "header",
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = std::string(advice)});
  };
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("version https://git-lfs")) {
    fail("a safetensors file", "a Git LFS pointer",
         "Fetch the file itself: run `git lfs pull` in the model folder.");
  }
  uint64_t length = 0;
  if (file.size() < sizeof(length)) {
    fail("8 bytes of header length", fmt::format("a file of {} bytes", file.size()), kFileAgain);
  }
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > kMaxSafetensorsHeaderBytes) {
    fail(fmt::format("a length of at most {} bytes", kMaxSafetensorsHeaderBytes),
         fmt::format("{}", length), "This is not a safetensors file, or it is damaged.");
  }
  if (length > file.size() - sizeof(length)) {
    fail(fmt::format("{} bytes of header", length),
         fmt::format("{} bytes in the file after the length", file.size() - sizeof(length)),
         kFileAgain);
  }
  const std::string_view header = text.substr(sizeof(length), length);
  if (!header.starts_with('{')) {
    fail("JSON that starts with {", header.empty() ? "nothing" : printable(header.substr(0, 1)),
         kFileAgain);
  }
  // The JSON library takes a zero byte for the end of its input and would accept what follows.
  if (const size_t zero = header.find('\0'); zero != header.npos) {
    fail("valid JSON in UTF-8", fmt::format("a zero byte at {}", zero), kFileAgain);
  }
  return header;
}

/// Throws unless the entries lie back to back from the first to the last byte of the data section.
void check_cover(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes,
                 const std::filesystem::path& path) {
  std::vector<uint32_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(entries[a].begin, entries[a].end) <
           std::pair(entries[b].begin, entries[b].end);
  });
  uint64_t covered = 0;
  const SafetensorsEntry* last = nullptr;
  for (const uint32_t index : order) {
    const SafetensorsEntry& entry = entries[index];
    if (entry.begin != covered) {
      const std::string before = last ? "tensor " + printable(last->name) : "the header";
      throw LoadError(
          {.file = path,
           .where = "tensor " + printable(entry.name) + ", data_offsets",
           .expected = fmt::format("data from byte {}, where {} ends", covered, before),
           .found = fmt::format("{} at byte {}", entry.begin < covered ? "an overlap" : "a gap",
                                entry.begin),
           .advice = std::string(kResave)});
    }
    covered = entry.end;
    last = &entry;
  }
  if (covered != data_bytes) {
    throw LoadError({.file = path,
                     .where = last ? "after tensor " + printable(last->name) : "data section",
                     .expected = fmt::format("the end of the file after {} bytes of data", covered),
                     .found = fmt::format("{} bytes more", data_bytes - covered),
                     .advice = std::string(kFileAgain)});
  }
}

void check_alignment(const SafetensorsHeader& header, const std::filesystem::path& path) {
  for (const SafetensorsEntry& entry : header.entries) {
    const uint64_t offset = header.data_offset + entry.begin;
    if (offset % dtype_bytes(entry.dtype) != 0) {
      throw LoadError({.file = path,
                       .where = "tensor " + printable(entry.name) + ", data_offsets",
                       .expected = fmt::format("data aligned to the {} bytes of a {}",
                                               dtype_bytes(entry.dtype), dtype_name(entry.dtype)),
                       .found = fmt::format("byte {} of the file", offset),
                       .advice = "hearth computes in place. " + std::string(kResave)});
    }
  }
}

void sort_by_name(std::vector<SafetensorsEntry>& entries, const std::filesystem::path& path) {
  const auto by_name = [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return a.name < b.name;
  };
  // Writers that sort by name and files with one dtype are the rule: skip what is done.
  if (!std::is_sorted(entries.begin(), entries.end(), by_name)) {
    std::sort(entries.begin(), entries.end(), by_name);
  }
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].name == entries[i - 1].name) {
      throw LoadError({.file = path,
                       .where = "tensor " + printable(entries[i].name),
                       .expected = "each name once in the header",
                       .found = "it twice",
                       .advice = std::string(kResave)});
    }
  }
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const std::byte> file,
                                    const std::filesystem::path& path) {
  const std::string_view text = header_text(file, path);
  SafetensorsHeader header;
  header.data_offset = sizeof(uint64_t) + text.size();
  const uint64_t data_bytes = file.size() - header.data_offset;

  HeaderHandler handler(path, data_bytes);
  nlohmann::json::sax_parse(text.begin(), text.end(), &handler);
  header.entries = handler.take_entries();
  check_cover(header.entries, data_bytes, path);
  check_alignment(header, path);
  sort_by_name(header.entries, path);
  return header;
}

std::string safetensors_preamble(std::span<const SafetensorsEntry> entries) {
  std::string json = R"({"__metadata__":{"format":"pt"})";  // older readers insist on the format
  for (const SafetensorsEntry& entry : entries) {
    json += ',';
    json += nlohmann::json(entry.name).dump();
    fmt::format_to(std::back_inserter(json),
                   R"(:{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})",
                   dtype_name(entry.dtype), shape_text(shape_of(entry)), entry.begin, entry.end);
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const uint64_t length = json.size();
  std::string preamble(sizeof(length), '\0');
  std::memcpy(preamble.data(), &length, sizeof(length));
  return preamble + json;
}

}  // namespace hearth
