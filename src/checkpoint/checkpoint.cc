#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "checkpoint/printable.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"
#include "os/parallel_for.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

MappedFile map_file(const fs::path& path) {
  try {
    return MappedFile(path);
  } catch (const std::system_error& error) {
    throw LoadError({.file = path,
                     .where = "",
                     .expected = "a file that can be mapped",
                     .found = error.code().message(),
                     .advice = "Check that the file is complete and readable."});
  }
}

/// What stands in the folder instead of safetensors files, to say something more useful than
/// "nothing".
std::string describe_folder(const fs::path& directory) {
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".gguf") || name.ends_with(".safetensors") ||
        (name.starts_with("pytorch_model") && name.ends_with(".bin"))) {
      return "neither, but " + printable(name);
    }
  }
  return "neither";
}

/// Throws unless each named shard is a file of the folder; lists all that are missing at once.
void check_shards_exist(const fs::path& directory, const std::vector<std::string>& names) {
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    std::error_code error;
    if (!fs::is_regular_file(directory / name, error)) missing.push_back(name);
  }
  if (missing.empty()) return;
  const std::string first = missing.front();
  const size_t count = missing.size();
  if (count > 8) missing.resize(8);
  throw LoadError({.file = directory / first,
                   .where = "",
                   .expected = fmt::format("the {} shards that {} names", names.size(), kIndexName),
                   .found = fmt::format("{} missing: {}{}", count, joined(missing, ", "),
                                        count > missing.size() ? ", …" : ""),
                   .advice = "Download the missing files."});
}

CheckpointTensor make_tensor(SafetensorsEntry&& entry, const std::byte* data, uint32_t shard) {
  CheckpointTensor tensor;
  tensor.name = std::move(entry.name);
  tensor.view = {
      .data = data + entry.begin, .dtype = entry.dtype, .rank = entry.rank, .dims = entry.dims};
  tensor.shard = shard;
  return tensor;
}

bool by_name(const CheckpointTensor& a, const CheckpointTensor& b) { return a.name < b.name; }

/// Joins lists that are each sorted by name into one, pairwise: n log(lists) moves.
std::vector<CheckpointTensor> merge(std::vector<std::vector<CheckpointTensor>> lists) {
  std::vector<CheckpointTensor> all;
  std::vector<size_t> bounds = {0};  // of the sorted runs in `all`
  size_t total = 0;
  for (const auto& list : lists) total += list.size();
  all.reserve(total);
  for (auto& list : lists) {
    std::move(list.begin(), list.end(), std::back_inserter(all));
    bounds.push_back(all.size());
    list = {};
  }
  const auto at = [&](size_t bound) { return all.begin() + static_cast<std::ptrdiff_t>(bound); };
  while (bounds.size() > 2) {
    std::vector<size_t> merged = {0};
    for (size_t i = 2; i < bounds.size(); i += 2) {
      std::inplace_merge(at(bounds[i - 2]), at(bounds[i - 1]), at(bounds[i]), by_name);
      merged.push_back(bounds[i]);
    }
    if (merged.back() != all.size()) merged.push_back(all.size());
    bounds = std::move(merged);
  }
  return all;
}

}  // namespace

Checkpoint::Checkpoint(const fs::path& directory) : directory_(directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    throw LoadError(
        {.file = directory,
         .where = "",
         .expected = "a model folder",
         .found = fs::exists(directory, error) ? "a file" : "nothing there",
         .advice = "Give the folder that holds config.json and the safetensors files."});
  }
  const bool has_index = fs::exists(directory / kIndexName, error);
  const bool has_single = fs::exists(directory / kSingleName, error);
  if (!has_index && !has_single) {
    throw LoadError({.file = directory,
                     .where = "",
                     .expected = fmt::format("{} or {}", kSingleName, kIndexName),
                     .found = describe_folder(directory),
                     .advice = "hearth reads Hugging Face folders with safetensors files."});
  }
  if (!has_index) {
    open_shards({kSingleName});
    return;
  }
  const ShardIndex index =
      parse_shard_index(map_file(directory / kIndexName).bytes(), directory / kIndexName);
  const bool single_is_shard =
      std::find(index.files.begin(), index.files.end(), kSingleName) != index.files.end();
  if (has_single && !single_is_shard) {
    throw LoadError({.file = directory / kIndexName,
                     .where = "weight_map",
                     .expected = fmt::format("to name {}, which is in the folder", kSingleName),
                     .found = "other shards only",
                     .advice = "Two sets of weights: move the one that is not meant elsewhere."});
  }
  check_shards_exist(directory, index.files);
  open_shards(index.files);
  check_index(index);
}

void Checkpoint::open_shards(const std::vector<std::string>& names) {
  shards_.resize(names.size());
  files_.resize(names.size());
  std::vector<std::vector<CheckpointTensor>> lists(names.size());
  parallel_for(names.size(), [&](size_t i) {
    CheckpointShard& shard = shards_[i];
    shard.path = directory_ / names[i];
    files_[i] = ShardMemory(map_file(shard.path));
    const std::span<const std::byte> bytes = files_[i].mapping();
    SafetensorsHeader header = parse_safetensors(bytes, shard.path);
    shard.file_bytes = bytes.size();
    shard.tensor_count = header.entries.size();
    shard.tensor_bytes = bytes.size() - header.data_offset;
    lists[i].reserve(header.entries.size());
    for (SafetensorsEntry& entry : header.entries) {
      lists[i].push_back(make_tensor(std::move(entry), bytes.data() + header.data_offset,
                                     static_cast<uint32_t>(i)));
    }
  });
  tensors_ = merge(std::move(lists));
  for (size_t i = 1; i < tensors_.size(); ++i) {
    if (tensors_[i].name != tensors_[i - 1].name) continue;
    throw LoadError(
        {.file = shards_[tensors_[i].shard].path,
         .where = "tensor " + printable(tensors_[i].name),
         .expected = "the tensor in one shard",
         .found = "it also in " + shards_[tensors_[i - 1].shard].path.filename().string(),
         .advice = "The shards are not of one model: download the folder again."});
  }
}

void Checkpoint::check_index(const ShardIndex& index) const {
  const fs::path index_path = directory_ / kIndexName;
  const auto fail = [](const fs::path& file, const std::string& tensor, std::string expected,
                       std::string found) {
    throw LoadError({.file = file,
                     .where = "tensor " + printable(tensor),
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = "Index and shards are not of one model: download both again."});
  };
  auto row = index.rows.begin();
  for (const CheckpointTensor& tensor : tensors_) {
    if (row != index.rows.end() && row->tensor < tensor.name) break;  // reported below
    if (row == index.rows.end() || row->tensor != tensor.name) {
      fail(shards_[tensor.shard].path, tensor.name,
           fmt::format("each of its tensors in {}", kIndexName), "no entry for this one");
    }
    if (row->shard != tensor.shard) {
      fail(index_path, tensor.name, "it in " + index.files[row->shard],
           "it in " + index.files[tensor.shard]);
    }
    ++row;
  }
  if (row != index.rows.end()) {
    fail(index_path, row->tensor, "it in " + index.files[row->shard], "no tensor of that name");
  }
}

const CheckpointTensor* Checkpoint::find(std::string_view name) const {
  const auto place = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const CheckpointTensor& tensor, std::string_view key) { return tensor.name < key; });
  return place != tensors_.end() && place->name == name ? &*place : nullptr;
}

TensorView Checkpoint::require(std::string_view name, std::span<const int64_t> shape,
                               std::span<const DType> dtypes) const {
  const auto fail = [&](std::string expected, std::string found) {
    throw LoadError({.file = file_of(name),
                     .where = "tensor " + printable(name),
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = "config.json and the weights may be of different models."});
  };
  const CheckpointTensor* tensor = find(name);
  if (!tensor) fail("the tensor, of shape " + shape_text(shape), "nothing");

  const TensorView& view = tensor->view;
  const bool same =
      std::equal(shape.begin(), shape.end(), view.dims.begin(), view.dims.begin() + view.rank,
                 [](int64_t want, int64_t have) { return want < 0 || want == have; });
  if (!same) fail("shape " + shape_text(shape), shape_text(view));

  if (!dtypes.empty() && std::find(dtypes.begin(), dtypes.end(), view.dtype) == dtypes.end()) {
    std::vector<std::string> names;
    for (const DType dtype : dtypes) names.emplace_back(dtype_name(dtype));
    fail("dtype " + joined(names, " or "), std::string(dtype_name(view.dtype)));
  }
  return view;
}

std::vector<FileRange> Checkpoint::file_ranges(bool (*wanted)(std::string_view tensor)) const {
  std::vector<FileRange> ranges;
  for (const auto& [shard, begin, end] : spans(wanted)) {
    ranges.push_back({.file = shards_[shard].path, .offset = begin, .bytes = end - begin});
  }
  return ranges;
}

std::vector<std::span<const std::byte>> Checkpoint::mapped_ranges(
    bool (*wanted)(std::string_view tensor)) const {
  std::vector<std::span<const std::byte>> ranges;
  for (const auto& [shard, begin, end] : spans(wanted)) {
    ranges.push_back(files_[shard].mapping().subspan(begin, end - begin));
  }
  return ranges;
}

std::vector<Checkpoint::ShardSpan> Checkpoint::spans(
    bool (*wanted)(std::string_view tensor)) const {
  std::vector<ShardSpan> all(shards_.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = {i, UINT64_MAX, 0};
  for (const CheckpointTensor& tensor : tensors_) {
    if (!wanted(tensor.name) || files_[tensor.shard].mapping().empty()) continue;
    const std::byte* start = files_[tensor.shard].mapping().data();
    const uint64_t begin = static_cast<uint64_t>(tensor.view.data - start);
    ShardSpan& span = all[tensor.shard];
    span.begin = std::min(span.begin, begin / kReadAlignment * kReadAlignment);
    span.end = std::max(span.end, begin + tensor.view.bytes());
  }
  std::erase_if(all, [](const ShardSpan& span) { return span.end == 0; });
  return all;
}

ReadReport Checkpoint::make_resident(bool (*wanted)(std::string_view tensor),
                                     const ResidentOptions& options) {
  constexpr uint64_t kHugePage = uint64_t{2} << 20;
  const std::vector<ShardSpan> parts = spans(wanted);
  std::vector<FileRange> ranges = file_ranges(wanted);
  std::vector<MemoryBlock> blocks;
  uint64_t total = 0;
  for (FileRange& range : ranges) {
    blocks.emplace_back((range.bytes + kHugePage - 1) / kHugePage * kHugePage);
    if (options.lock) blocks.back().lock();
    range.target = blocks.back().as<std::byte>();
    total += range.bytes;
  }
  const ReadReport report =
      read_ranges(ranges, options.method, [&](uint64_t done) { options.progress(done, total); });
  for (size_t i = 0; i < parts.size(); ++i) {
    ShardMemory& file = files_[parts[i].shard];
    const std::byte* start = file.mapping().data();
    const size_t file_bytes = file.mapping().size();
    file.hold(std::move(blocks[i]), parts[i].begin);
    for (CheckpointTensor& tensor : tensors_) {
      if (tensor.shard != parts[i].shard || !wanted(tensor.name)) continue;
      const uint64_t offset = static_cast<uint64_t>(tensor.view.data - start);
      CHECK(offset <= file_bytes);
      tensor.view.data = file.at(offset);
    }
  }
  return report;
}

size_t Checkpoint::resident_bytes() const {
  size_t sum = 0;
  for (const ShardMemory& file : files_) sum += file.resident_bytes();
  return sum;
}

fs::path Checkpoint::file_of(std::string_view name) const {
  const CheckpointTensor* tensor = find(name);
  return tensor ? shards_[tensor->shard].path : directory_;
}

}  // namespace hearth
