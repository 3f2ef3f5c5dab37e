#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "formats/format.h"
#include "tests/support/dequantise.h"
#include "tests/support/model_source.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::dequantise;
using testing::ShardSource;
using testing::TempFolder;
using testing::tiny_model;
using testing::write_file;

const QuantizationConfig kAutoRound = {"auto-round", "auto_round:auto_gptq"};
const QuantizationConfig kGptqV2 = {"gptq", "gptq_v2"};

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// The codes of W [rows, cols] as words along k.
std::vector<uint32_t> pack_codes(const std::vector<uint32_t>& codes, size_t rows, size_t cols,
                                 size_t bits) {
  const size_t per_word = 32 / bits;
  std::vector<uint32_t> words(cols / per_word * rows);
  for (size_t n = 0; n < rows; ++n) {
    for (size_t k = 0; k < cols; ++k) {
      words[k / per_word * rows + n] |= codes[n * cols + k] << (bits * (k % per_word));
    }
  }
  return words;
}

/// A folder with one module "m" of a GPTQ-like packing.
struct PackedModule {
  size_t rows, cols, bits, group;
  std::vector<uint32_t> codes;   // [rows, cols]
  std::vector<uint32_t> zeros;   // [groups, rows / per word], as stored
  std::vector<uint16_t> scales;  // [groups, rows]
  DType scale_dtype = DType::kF16;

  void write(const std::filesystem::path& folder) const {
    const auto dim = [](size_t value) { return static_cast<int64_t>(value); };
    const size_t per_word = 32 / bits;
    ShardSource shard;
    shard.tensors = {
        {"m.qweight",
         DType::kI32,
         {dim(cols / per_word), dim(rows)},
         bytes_of(pack_codes(codes, rows, cols, bits))},
        {"m.qzeros", DType::kI32, {dim(cols / group), dim(rows / per_word)}, bytes_of(zeros)},
        {"m.scales", scale_dtype, {dim(cols / group), dim(rows)}, bytes_of(scales)}};
    write_file(folder / "model.safetensors", shard.file());
  }

  LinearModule module() const {
    return {"m", static_cast<int64_t>(rows), static_cast<int64_t>(cols)};
  }
};

/// Codes, scales of both signs and zeros without any pattern; group scales differ.
PackedModule sample(size_t rows, size_t cols, size_t bits, size_t group) {
  PackedModule m{rows, cols, bits, group, {}, {}, {}};
  uint32_t state = 12345;
  const auto next = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  for (size_t i = 0; i < rows * cols; ++i) m.codes.push_back(next() & ((1u << bits) - 1));
  for (size_t i = 0; i < cols / group * rows; ++i) {
    const float scale = (next() % 1000 + 1) / 5000.0f;
    m.scales.push_back(float_to_f16(next() % 2 ? scale : -scale));
  }
  const uint32_t symmetric = bits == 4 ? 0x77777777u : 0x7F7F7F7Fu;
  m.zeros.assign(cols / group * rows * bits / 32, symmetric);
  return m;
}

float expected_value(const PackedModule& m, size_t n, size_t k, int32_t offset) {
  const size_t per_word = 32 / m.bits;
  const size_t g = k / m.group;
  const uint32_t word = m.zeros[g * (m.rows / per_word) + n / per_word];
  const auto stored =
      static_cast<int32_t>(word >> (m.bits * (n % per_word)) & ((1u << m.bits) - 1));
  return f16_to_float(m.scales[g * m.rows + n]) *
         static_cast<float>(static_cast<int32_t>(m.codes[n * m.cols + k]) - (stored + offset));
}

void expect_dequantises(const PackedModule& m, const QuantizationConfig& config, int32_t offset) {
  const TempFolder folder;
  m.write(folder.path());
  const Checkpoint checkpoint(folder.path());
  const std::vector<float> values = dequantise(load_linear(checkpoint, config, m.module()));
  for (size_t n = 0; n < m.rows; ++n) {
    for (size_t k = 0; k < m.cols; ++k) {
      ASSERT_EQ(values[n * m.cols + k], expected_value(m, n, k, offset)) << n << " " << k;
    }
  }
}

TEST(Packing, WordsOfTheSpecification) {
  EXPECT_EQ(pack_codes({1, 4, 7, 10, 13, 0, 3, 6}, 1, 8, 4)[0], 0x630DA741u);
  EXPECT_EQ(pack_codes({200, 237, 18, 55}, 1, 4, 8)[0], 0x3712EDC8u);
}

/// AutoRound's sign rule: the group [0.5, −0.25, 1, −0.9, …] has scale −0.125.
TEST(Gptq, NegativeScalesOfAutoRound) {
  PackedModule m{8, 8, 4, 8, {}, {0x77777777u}, {}};
  for (size_t n = 0; n < 8; ++n) {
    for (const int code : {-4, 2, -8, 7, 0, 1, -1, 3}) m.codes.push_back(uint32_t(code + 8));
    m.scales.push_back(float_to_f16(-0.125f));
  }
  const TempFolder folder;
  m.write(folder.path());
  const Checkpoint checkpoint(folder.path());
  const QuantizedMatrix matrix = load_linear(checkpoint, kAutoRound, m.module());
  EXPECT_EQ(matrix.zeros, nullptr);
  const std::vector<float> values = dequantise(matrix);
  EXPECT_EQ((std::vector<float>(values.begin(), values.begin() + 4)),
            (std::vector<float>{0.5f, -0.25f, 1.0f, -0.875f}));
}

TEST(Gptq, SymmetricFourAndEightBits) {
  for (const size_t bits : {4, 8}) {
    const PackedModule m = sample(24, 96, bits, 32);
    const TempFolder folder;
    m.write(folder.path());
    const Checkpoint checkpoint(folder.path());
    const QuantizedMatrix matrix = load_linear(checkpoint, kAutoRound, m.module());
    EXPECT_EQ(weight_bits(matrix.layout), static_cast<int>(bits));
    EXPECT_EQ(matrix.group_size, 32);
    EXPECT_EQ(matrix.zeros, nullptr);
    EXPECT_EQ(matrix.weights, checkpoint.find("m.qweight")->view.data);  // in place
    expect_dequantises(m, kAutoRound, 1);
  }
}

TEST(Gptq, AsymmetricZerosInBothVersions) {
  for (const size_t bits : {4, 8}) {
    PackedModule m = sample(16, 64, bits, 16);
    for (size_t i = 0; i < m.zeros.size(); ++i) {
      m.zeros[i] = 0x01234567u * static_cast<uint32_t>(i + 3) & 0x6E6E6E6Eu;
    }
    expect_dequantises(m, kAutoRound, 1);
    expect_dequantises(m, kGptqV2, 0);
  }
}

TEST(Gptq, SymmetricZerosOfVersion2AreDropped) {
  PackedModule m = sample(16, 32, 4, 32);
  m.zeros.assign(m.zeros.size(), 0x88888888u);
  const TempFolder folder;
  m.write(folder.path());
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(load_linear(checkpoint, kGptqV2, m.module()).zeros, nullptr);
  EXPECT_NE(load_linear(checkpoint, kAutoRound, m.module()).zeros, nullptr);
}

TEST(Gptq, Bf16Scales) {
  PackedModule m = sample(8, 16, 8, 16);
  m.scale_dtype = DType::kBF16;
  m.scales.assign(m.scales.size(), float_to_bf16(0.25f));
  const TempFolder folder;
  m.write(folder.path());
  const Checkpoint checkpoint(folder.path());
  const QuantizedMatrix matrix = load_linear(checkpoint, kAutoRound, m.module());
  EXPECT_EQ(matrix.scale_type, ScaleType::kBf16);
  EXPECT_EQ(dequantise(matrix)[0], 0.25f * static_cast<float>(static_cast<int>(m.codes[0]) - 128));
}

TEST(Gptq, TrivialGroupIndexAndZeroBiasAreAccepted) {
  const TempFolder folder;
  testing::ModelSource model = tiny_model();
  std::vector<int32_t> groups(64);
  for (size_t k = 0; k < groups.size(); ++k) groups[k] = static_cast<int32_t>(k / 32);
  const std::string name = "model.layers.0.mlp.experts.0.gate_proj";
  model.add({name + ".g_idx", DType::kI32, {64}, bytes_of(groups)});
  model.add({name + ".bias", DType::kF16, {32}, std::string(64, '\0')});
  model.write(folder.path());
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(load_linear(checkpoint, kAutoRound, {name, 32, 64}).group_size, 32);
}

TEST(Plain, AllFloatTypesInPlace) {
  const TempFolder folder;
  ShardSource shard;
  shard.tensors = {
      {"f32.weight", DType::kF32, {2, 3}, bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6})},
      {"f16.weight", DType::kF16, {1, 2}, bytes_of(std::vector<uint16_t>{0x3C00, 0xC000})},
      {"bf16.weight", DType::kBF16, {2, 1}, bytes_of(std::vector<uint16_t>{0x3F80, 0xC000})}};
  write_file(folder.path() / "model.safetensors", shard.file());
  const Checkpoint checkpoint(folder.path());
  const QuantizedMatrix f32 = load_linear(checkpoint, {}, {"f32", 2, 3});
  EXPECT_EQ(f32.weights, checkpoint.find("f32.weight")->view.data);
  EXPECT_EQ(dequantise(f32), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(dequantise(load_linear(checkpoint, {}, {"f16", 1, 2})), (std::vector<float>{1, -2}));
  EXPECT_EQ(dequantise(load_linear(checkpoint, {}, {"bf16", 2, 1})), (std::vector<float>{1, -2}));
}

TEST(Formats, TheWholeTinyModelLoads) {
  for (const int shards : {1, 3}) {
    const TempFolder folder;
    tiny_model(shards).write(folder.path());
    testing::load_folder(folder.path());
  }
}

}  // namespace
}  // namespace hearth
