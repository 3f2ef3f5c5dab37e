// Folders whose files are missing, contradict each other, or point elsewhere.
#include "tests/support/malformed.h"
#include "tests/support/temp_folder.h"

namespace hearth::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";
constexpr const char* kNorm = "model.norm.weight";  // in the first shard

/// The index is this text.
MalformedCase index_text_case(std::string name, std::string text,
                              std::vector<std::string> fragments) {
  fragments.push_back(kIndex);
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .shards = 2,
          .damage = [text = std::move(text)](const fs::path& folder) {
            write_file(folder / kIndex, text);
          }};
}

/// The index, changed as JSON.
MalformedCase index_case(std::string name, std::function<void(json&)> edit,
                         std::vector<std::string> fragments) {
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .shards = 2,
          .damage = [edit = std::move(edit)](const fs::path& folder) {
            json index = json::parse(read_file(folder / kIndex));
            edit(index);
            write_file(folder / kIndex, index.dump());
          }};
}

/// The index says that kNorm is in this file.
MalformedCase shard_name_case(std::string name, std::string file,
                              std::vector<std::string> fragments) {
  fragments.insert(fragments.end(), {kIndex, kNorm, "in the same folder"});
  return index_case(
      std::move(name), [file = std::move(file)](json& index) { index["weight_map"][kNorm] = file; },
      std::move(fragments));
}

MalformedCase folder_case(std::string name, int shards, std::function<void(const fs::path&)> damage,
                          std::vector<std::string> fragments) {
  return {.name = std::move(name),
          .fragments = std::move(fragments),
          .shards = shards,
          .damage = std::move(damage)};
}

std::vector<MalformedCase> file_cases() {
  return {
      folder_case("no_weights", 1,
                  [](const fs::path& folder) { fs::remove(folder / "model.safetensors"); },
                  {"model.safetensors or model.safetensors.index.json", "neither"}),
      folder_case("only_pickled_weights", 1,
                  [](const fs::path& folder) {
                    fs::rename(folder / "model.safetensors", folder / "pytorch_model.bin");
                  },
                  {"neither, but \"pytorch_model.bin\""}),
      folder_case("only_gguf", 1,
                  [](const fs::path& folder) {
                    fs::rename(folder / "model.safetensors", folder / "q4.gguf");
                  },
                  {"neither, but \"q4.gguf\""}),
      folder_case("shards_without_index", 2,
                  [](const fs::path& folder) { fs::remove(folder / kIndex); },
                  {"neither, but \"model-0000"}),
      folder_case("weights_are_a_folder", 1,
                  [](const fs::path& folder) {
                    fs::remove(folder / "model.safetensors");
                    fs::create_directory(folder / "model.safetensors");
                  },
                  {"model.safetensors: ", "Is a directory"}),
      folder_case("dangling_link", 1,
                  [](const fs::path& folder) {
                    fs::remove(folder / "model.safetensors");
                    fs::create_symlink("gone", folder / "model.safetensors");
                  },
                  {"model.safetensors or model.safetensors.index.json"}),
      folder_case("no_config", 1,
                  [](const fs::path& folder) { fs::remove(folder / "config.json"); },
                  {"config.json: ", "nothing there"}),
      folder_case("shard_missing", 2, [](const fs::path& folder) { fs::remove(folder / kSecond); },
                  {kSecond, "the 2 shards", "1 missing"}),
      folder_case("all_shards_missing", 2,
                  [](const fs::path& folder) {
                    fs::remove(folder / kFirst);
                    fs::remove(folder / kSecond);
                  },
                  {"2 missing", kFirst, kSecond}),
      folder_case("shard_is_a_folder", 2,
                  [](const fs::path& folder) {
                    fs::remove(folder / kSecond);
                    fs::create_directory(folder / kSecond);
                  },
                  {kSecond, "1 missing"}),
      folder_case("shard_damaged", 2,
                  [](const fs::path& folder) { write_file(folder / kSecond, "12345678"); },
                  {kSecond, "header"}),
      folder_case(
          "two_sets_of_weights", 2,
          [](const fs::path& folder) { fs::copy(folder / kFirst, folder / "model.safetensors"); },
          {kIndex, "model.safetensors, which is in the folder", "Two sets of weights"}),
  };
}

std::vector<MalformedCase> index_cases() {
  return {
      index_text_case("index_empty", "", {"valid JSON"}),
      index_text_case("index_cut", R"({"weight_map":{"a":"model-00001)", {"valid JSON"}),
      index_text_case("index_ends_with_a_zero_byte", std::string("{\"weight_map\":{}}\0", 18),
                      {"byte 17", "a zero byte"}),
      index_text_case("index_is_a_list", "[]", {"a JSON object", "a list"}),
      index_text_case("index_is_a_string", "\"x\"", {"a JSON object", "\"x\""}),
      index_text_case("index_without_map", R"({"metadata":{}})", {"weight_map", "nothing"}),
      index_text_case("index_map_is_a_list", R"({"weight_map":[]})", {"weight_map", "a list"}),
      index_text_case("index_map_is_null", R"({"weight_map":null})", {"weight_map", "null"}),
      index_text_case("index_map_is_empty", R"({"weight_map":{}})", {"at least one tensor"}),
      index_text_case("index_map_twice", R"({"weight_map":{"a":"a.safetensors"},"weight_map":{}})",
                      {"weight_map", "twice"}),
      index_text_case("index_map_nests", R"({"weight_map":{"a":{"b":"a.safetensors"}}})",
                      {"tensor \"a\"", "a file name", "an object"}),
      index_text_case("index_tensor_twice",
                      R"({"weight_map":{"a":"a.safetensors","a":"b.safetensors"}})",
                      {"tensor \"a\"", "once", "twice"}),
      index_case("index_value_number", [](json& index) { index["weight_map"][kNorm] = 1; },
                 {kIndex, kNorm, "a file name", "found 1"}),
      index_case("index_value_null", [](json& index) { index["weight_map"][kNorm] = nullptr; },
                 {kIndex, kNorm, "a file name", "found null"}),
      index_case("index_lacks_a_tensor", [](json& index) { index["weight_map"].erase(kNorm); },
                 {kFirst, kNorm, kIndex, "no entry"}),
      index_case("index_knows_too_much",
                 [](json& index) { index["weight_map"]["phantom.weight"] = kFirst; },
                 {kIndex, "phantom.weight", kFirst, "no tensor of that name"}),
      index_case("index_names_the_last_tensor_wrong",
                 [](json& index) { index["weight_map"]["zzz"] = kFirst; },
                 {kIndex, "\"zzz\"", "no tensor of that name"}),
      index_case("index_names_another_shard",
                 [](json& index) { index["weight_map"][kNorm] = kSecond; },
                 {kIndex, kNorm, kFirst, kSecond}),
      shard_name_case("shard_above_the_folder", "../model.safetensors", {"../model.safetensors"}),
      shard_name_case("shard_absolute", "/etc/model.safetensors", {"/etc/model.safetensors"}),
      shard_name_case("shard_in_a_subfolder", "sub/model.safetensors", {"sub/model.safetensors"}),
      shard_name_case("shard_with_backslash", "..\\model.safetensors", {"..\\model"}),
      shard_name_case("shard_hidden", "..safetensors", {"..safetensors"}),
      shard_name_case("shard_without_name", "", {"\"\""}),
      shard_name_case("shard_of_another_kind", "model.bin", {"model.bin"}),
      shard_name_case("shard_with_zero_byte", std::string("a\0.safetensors", 14), {"a\\x00"}),
      {.name = "tensor_in_two_shards",
       .fragments = {kSecond, kNorm, "in one shard", kFirst},
       .shards = 2,
       .change =
           [](ModelSource& model) { model.shards.at(kSecond).tensors.push_back(model.at(kNorm)); }},
  };
}

}  // namespace

std::vector<MalformedCase> malformed_folders() {
  std::vector<MalformedCase> all = file_cases();
  for (MalformedCase& item : index_cases()) all.push_back(std::move(item));
  return all;
}

}  // namespace hearth::testing
