#include "tests/text/string_source.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace hearth::testing {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

constexpr auto kSpaces = std::to_array<const char*>(
    {" ", "  ", "\n", "\t", "\r", "\r\n", "\u00a0", "\u3000", "\u2028", "\013", "\034", "\u200b"});
constexpr auto kContractions = std::to_array<const char*>(
    {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'\u017f", "\u2019s", "'x"});
constexpr auto kTokens = std::to_array<const char*>({"<|endoftext|>",
                                                     "<|im_start|>",
                                                     "<|im_end|>",
                                                     "<|object_ref_start|>",
                                                     "<|object_ref_end|>",
                                                     "<|box_start|>",
                                                     "<|box_end|>",
                                                     "<|quad_start|>",
                                                     "<|quad_end|>",
                                                     "<|vision_start|>",
                                                     "<|vision_end|>",
                                                     "<|vision_pad|>",
                                                     "<|image_pad|>",
                                                     "<|video_pad|>",
                                                     "<tool_call>",
                                                     "</tool_call>",
                                                     "<|fim_prefix|>",
                                                     "<|fim_middle|>",
                                                     "<|fim_suffix|>",
                                                     "<|fim_pad|>",
                                                     "<|repo_name|>",
                                                     "<|file_sep|>",
                                                     "<tool_response>",
                                                     "</tool_response>",
                                                     "<think>",
                                                     "</think>",
                                                     "<|im_end",
                                                     "im_end|>",
                                                     "<|im_end |>",
                                                     "<think",
                                                     "<|",
                                                     "<<think>>"});
constexpr auto kScripts = std::to_array<Range>({{0x370, 0x3FF},
                                                {0x400, 0x4FF},
                                                {0x590, 0x5FF},
                                                {0x600, 0x6FF},
                                                {0x900, 0x97F},
                                                {0x980, 0x9FF},
                                                {0xB80, 0xBFF},
                                                {0xE00, 0xE7F},
                                                {0x10A0, 0x10FF},
                                                {0x1200, 0x137F},
                                                {0x3040, 0x309F},
                                                {0x30A0, 0x30FF},
                                                {0xAC00, 0xD7A3},
                                                {0x1E00, 0x1EFF},
                                                {0xFB00, 0xFDFF},
                                                {0xF900, 0xFAFF},
                                                {0x1D400, 0x1D7FF},
                                                {0x20000, 0x2A6DF}});
constexpr auto kNumbers = std::to_array<Range>({{0xB2, 0xB3},
                                                {0x660, 0x669},
                                                {0x966, 0x96F},
                                                {0x2070, 0x2089},
                                                {0x2150, 0x2188},
                                                {0x2460, 0x249B},
                                                {0x3021, 0x3029},
                                                {0xFF10, 0xFF19},
                                                {0x1D7CE, 0x1D7FF}});
constexpr auto kEmoji = std::to_array<const char*>(
    {"\U0001f600", "\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
     "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "1\ufe0f\u20e3",
     "\U0001f9d1\U0001f3ff\u200d\U0001f680", "\u263a", "\U0001fae0"});
constexpr auto kWords = std::to_array<const char*>(
    {" the", " function", "return", " Hello", "world", " \u00dcn\u00efc\u00f6d\u00e9",
     " na\u0131ve", "I'm", " don't", "GPU", " x86_64", "\u1e9e", "stra\u00dfe", " \u0130stanbul"});
constexpr auto kSnippets = std::to_array<const char*>(
    {"for (int i = 0; i < n; ++i) {\n", "def f(x):\n    return x\n", "{\"a\": [1, 2.5e-3]}",
     "https://example.org/a?b=c&d=%20", "// TODO: \u00e9t\u00e9\r\n", "\\begin{align}",
     "x ** 2 != y", "\t\t}\n\n\n", "a_b__c-d--e", "1,234.56", "$100", "50%", "...", "\u2026",
     "!?!?", "#!/bin/sh\n"});
constexpr auto kRepeated = std::to_array<const char*>(
    {"a", " ", "=", "-", "\u54c8", "0", "\n", "!", "\u0301", "\U0001f602", "ab", "\t"});

/// splitmix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

  size_t below(size_t count) { return next() % count; }

  template <typename Items>
  auto pick(const Items& items) {
    return items[below(items.size())];
  }

 private:
  uint64_t state_;
};

std::string utf8(uint32_t code) {
  const auto tail = [code](int shift) {
    return static_cast<char>(0x80 | ((code >> shift) & 0x3F));
  };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | (code >> 6)), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | (code >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (code >> 18)), tail(12), tail(6), tail(0)};
}

std::string code_point(int64_t index) {
  return utf8(static_cast<uint32_t>(index < 0xD800 ? index : index + 0x800));
}

std::string from_range(Random& random, Range range) {
  return utf8(range.first + static_cast<uint32_t>(random.below(range.last - range.first + 1)));
}

/// `count` pieces, one after the other.
template <typename Make>
std::string several(size_t count, Make make) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += make();
  return text;
}

std::string character_of(Random& random, std::string_view characters) {
  return {characters[random.below(characters.size())]};
}

/// Pieces of one or several characters of one sort.
std::string simple_piece(Random& random, size_t kind, size_t count) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  constexpr std::array<std::string_view, 2> kLetters = {"abcdefghijklmnopqrstuvwxyz",
                                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ"};
  switch (kind) {
    case 0: {
      const std::string_view letters = random.pick(kLetters);
      return several(count, [&] { return character_of(random, letters); });
    }
    case 1: return several(count, [&] { return character_of(random, kDigits); });
    case 2: return several(count, [&] { return random.pick(kSpaces); });
    case 3: return several(count, [&] { return character_of(random, kPunctuation); });
    case 4: return random.pick(kContractions);
    case 5: return random.pick(kTokens);
    case 6: return several(count, [&] { return from_range(random, {0x4E00, 0x9FFF}); });
    default: {
      const Range script = random.pick(kScripts);
      return several(count, [&] { return from_range(random, script); });
    }
  }
}

std::string piece(Random& random) {
  const size_t kind = random.below(16);
  const size_t count = 1 + random.below(6);
  switch (kind) {
    case 8: {
      const std::string base = character_of(random, "aeiouyACENOSZ");
      return base + several(count, [&] { return from_range(random, {0x300, 0x36F}); });
    }
    case 9: {
      std::string text = from_range(random, {0x1100, 0x1112});
      text += from_range(random, {0x1161, 0x1175});
      return text + from_range(random, {0x11A7, 0x11C2});
    }
    case 10: return several(count, [&] { return random.pick(kEmoji); });
    case 11:
      return several(count,
                     [&] { return code_point(static_cast<int64_t>(random.below(kCodePoints))); });
    case 12: {
      const Range number = random.pick(kNumbers);
      return several(count, [&] { return from_range(random, number); });
    }
    case 13: return several(count, [&] { return random.pick(kWords); });
    case 14: return random.pick(kSnippets);
    case 15: {
      const char* text = random.pick(kRepeated);
      return several(1 + random.below(40), [&] { return text; });
    }
    default: return simple_piece(random, kind, count);
  }
}

}  // namespace

std::string alone_string(int64_t index) { return code_point(index); }

std::string embedded_string(int64_t index) {
  constexpr auto kFillers =
      std::to_array<const char*>({"a", " ", "1", "\n", "'", "e\u0301", "  ", "\u4e2d"});
  std::string text;
  for (int64_t offset = 0; offset < kEmbeddedGroup; ++offset) {
    text += code_point(index * kEmbeddedGroup + offset);
    text += kFillers[static_cast<size_t>(index + offset) % kFillers.size()];
  }
  return text;
}

std::string mixed_string(int64_t index) {
  Random random(0x7E37 + static_cast<uint64_t>(index) * 0x1000003);
  const size_t count = 1 + random.below(12);
  return several(count, [&] { return piece(random); });
}

void Digest::add(const std::string& bytes) {
  for (const char byte : bytes) step(static_cast<unsigned char>(byte));
}

void Digest::add(int32_t id) { step(static_cast<uint32_t>(id)); }

}  // namespace hearth::testing
