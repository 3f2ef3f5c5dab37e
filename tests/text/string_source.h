// The strings of the tokenizer test, the same as tools/reference/text_strings.py makes: every code
// point alone, every code point in company, and mixtures of all that a tokenizer can trip over.
#pragma once

#include <cstdint>
#include <string>

namespace hearth::testing {

constexpr int64_t kStringBlock = 256;
constexpr int64_t kCodePoints = 0x110000 - 0x800;  // without surrogates
constexpr int64_t kEmbeddedGroup = 16;
constexpr int64_t kEmbeddedStrings = kCodePoints / kEmbeddedGroup;
constexpr int64_t kMixedStrings = 384 * kStringBlock;

std::string alone_string(int64_t index);
std::string embedded_string(int64_t index);
std::string mixed_string(int64_t index);

/// FNV-1a of 64 bits; a byte is one step, and so is an id.
class Digest {
 public:
  void add(const std::string& bytes);
  void add(int32_t id);
  uint64_t value() const { return value_; }

 private:
  void step(uint64_t item) { value_ = (value_ ^ item) * 0x100000001B3; }

  uint64_t value_ = 0xCBF29CE484222325;
};

}  // namespace hearth::testing
