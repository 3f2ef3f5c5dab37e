#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "tests/support/model_source.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::ModelSource;
using testing::safetensors_file;
using testing::TempFolder;
using testing::tiny_model;
using testing::write_file;

SafetensorsHeader parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "test.safetensors");
}

TEST(Safetensors, ReadsAHeader) {
  const SafetensorsHeader header =
      parse(safetensors_file(R"({"__metadata__":{"format":"pt"},)"
                             R"("b":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                             R"("a\u00e9":{"data_offsets":[24,26],"shape":[],"dtype":"BF16"},)"
                             R"("empty":{"dtype":"I64","shape":[0,4],"data_offsets":[24,24]}})",
                             std::string(26, 'x')));
  ASSERT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.entries[0].name, "a\xC3\xA9");
  EXPECT_EQ(header.entries[0].rank, 0);
  EXPECT_EQ(header.entries[0].dtype, DType::kBF16);
  EXPECT_EQ(header.entries[1].name, "b");
  EXPECT_EQ(header.entries[1].rank, 2);
  EXPECT_EQ(header.entries[1].dims[1], 3);
  EXPECT_EQ(header.entries[1].end, 24u);
  EXPECT_EQ(header.entries[2].name, "empty");
  EXPECT_EQ(header.data_offset % 8, 0u);
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(parse(safetensors_file("{}", "")).entries.empty());
}

TEST(Safetensors, ReadsWhatItWrites) {
  std::vector<SafetensorsEntry> entries(2);
  entries[0] = {.name = "a \"quoted\" name", .dtype = DType::kI32, .rank = 2, .dims = {2, 3}};
  entries[0].end = 24;
  entries[1] = {.name = "scalar", .dtype = DType::kF16, .begin = 24, .end = 26};
  const SafetensorsHeader header = parse(safetensors_preamble(entries) + std::string(26, '\0'));
  ASSERT_EQ(header.entries.size(), 2u);
  EXPECT_EQ(header.entries[0].name, entries[0].name);
  EXPECT_EQ(header.entries[0].dims, entries[0].dims);
  EXPECT_EQ(header.entries[1].begin, 24u);
  EXPECT_EQ(header.entries[1].rank, 0);
}

/// Whatever byte a download stops at, the file is refused with a message that names it.
TEST(Safetensors, RefusesTruncationAtEveryByte) {
  const std::string file = safetensors_file(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      std::string(8, 'x'));
  for (size_t length = 0; length < file.size(); ++length) {
    try {
      parse(file.substr(0, length));
      ADD_FAILURE() << "accepted " << length << " of " << file.size() << " bytes";
    } catch (const LoadError& error) {
      EXPECT_NE(std::string(error.what()).find("test.safetensors: "), std::string::npos);
    }
  }
}

/// A header cut short with its length made to fit: every prefix of the JSON is refused.
TEST(Safetensors, RefusesEveryPrefixOfAHeader) {
  const std::string json =
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  for (size_t length = 0; length < json.size(); ++length) {
    EXPECT_THROW(parse(safetensors_file(json.substr(0, length), std::string(8, 'x'))), LoadError)
        << json.substr(0, length);
  }
}

/// Any single byte of the header replaced by any structural one: never a crash, and what is
/// accepted still lies within the file.
TEST(Safetensors, SurvivesEveryStructuralByteAnywhere) {
  const std::string file = safetensors_file(
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      std::string(8, 'x'));
  for (size_t i = 0; i < file.size() - 8; ++i) {
    for (const char c : std::string("{}[],:\"\\0-9e.n\x00\xFF ", 18)) {
      std::string changed = file;
      changed[i] = c;
      try {
        for (const SafetensorsEntry& entry : parse(changed).entries) {
          EXPECT_LE(entry.begin, entry.end);
          EXPECT_LE(entry.end, 8u);
        }
      } catch (const LoadError&) {
      }
    }
  }
}

TEST(Checkpoint, OpensASingleFile) {
  const TempFolder folder;
  tiny_model().write(folder.path());
  const Checkpoint checkpoint(folder.path());
  ASSERT_EQ(checkpoint.shards().size(), 1u);
  EXPECT_EQ(checkpoint.shards()[0].tensor_count, checkpoint.tensors().size());
  const CheckpointTensor* norm = checkpoint.find("model.norm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(norm->view.element_count(), 64);
  EXPECT_EQ(norm->view.as<uint16_t>()[63], 0x3F00);  // 0.5
  EXPECT_EQ(checkpoint.find("model.norm"), nullptr);
  EXPECT_EQ(checkpoint.find(""), nullptr);
  EXPECT_EQ(checkpoint.find("zzz"), nullptr);
}

TEST(Checkpoint, JoinsShards) {
  const TempFolder one;
  const TempFolder several;
  tiny_model().write(one.path());
  tiny_model(5).write(several.path());
  const Checkpoint single(one.path());
  const Checkpoint sharded(several.path());
  EXPECT_EQ(sharded.shards().size(), 5u);
  ASSERT_EQ(sharded.tensors().size(), single.tensors().size());
  for (size_t i = 0; i < single.tensors().size(); ++i) {
    EXPECT_EQ(sharded.tensors()[i].name, single.tensors()[i].name);
    EXPECT_EQ(sharded.tensors()[i].view.bytes(), single.tensors()[i].view.bytes());
    EXPECT_EQ(sharded.find(sharded.tensors()[i].name), &sharded.tensors()[i]);
  }
  EXPECT_EQ(sharded.file_of("model.norm.weight").filename(), "model-00001-of-00005.safetensors");
  EXPECT_EQ(sharded.file_of("absent"), several.path());
}

TEST(Checkpoint, FollowsSymbolicLinksAsTheHubCacheUsesThem) {
  const TempFolder blobs;
  const TempFolder snapshot;
  tiny_model().write(blobs.path());
  std::filesystem::create_symlink(blobs.path() / "model.safetensors",
                                  snapshot.path() / "model.safetensors");
  EXPECT_FALSE(Checkpoint(snapshot.path()).tensors().empty());
}

TEST(Checkpoint, IgnoresFilesThatTheIndexDoesNotName) {
  const TempFolder folder;
  tiny_model(2).write(folder.path());
  write_file(folder.path() / "adapter_model.safetensors", "not a model");
  EXPECT_EQ(Checkpoint(folder.path()).shards().size(), 2u);
}

TEST(Checkpoint, OpensAnIndexThatNamesTheSingleFile) {
  const TempFolder folder;
  ModelSource model = tiny_model();
  model.write(folder.path());
  write_file(folder.path() / "model.safetensors.index.json", model.index().dump());
  EXPECT_EQ(Checkpoint(folder.path()).shards().size(), 1u);
}

TEST(Checkpoint, RequireChecksShapeAndDType) {
  const TempFolder folder;
  tiny_model().write(folder.path());
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.require("model.norm.weight", {64}).element_count(), 64);
  EXPECT_EQ(checkpoint.require("lm_head.weight", {-1, 64}, {DType::kF32, DType::kBF16}).rank, 2);
  EXPECT_THROW(checkpoint.require("model.norm.weight", {63}), LoadError);
  EXPECT_THROW(checkpoint.require("model.norm.weight", {64, 1}), LoadError);
  EXPECT_THROW(checkpoint.require("model.norm.weight", {64}, {DType::kF32}), LoadError);
  EXPECT_THROW(checkpoint.require("model.norm", {64}), LoadError);
}

}  // namespace
}  // namespace hearth
